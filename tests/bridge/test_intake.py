"""What the other services say becomes events: on the right shard, once, and acknowledged when it is safe."""

import asyncio
import json
import signal as signals
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from connectors.log import NewRecord
from connectors.pace import wall_clock
from connectors.peers.peer import Peer
from connectors.rabbitmq import balance_message, order_message, position_message
from dataflows.bridge import Parts
from schemas.account import BalanceEvent, OrderEvent, PositionEvent
from schemas.codec import encode
from schemas.topics import SIGNALS, shard_of
from tests.bridge.made import signal
from tests.bridge.queues import T_ARGUMENTS, depth, put
from tests.bridge.running import SHARDS, Service, at_end, events, letters, running, until
from tests.bridge.test_messages import ORDER, POSITION

OFF = {"signals": False, "positions": False, "balances": "off", "fills": "off"}
ORDERS = """
create table orders (
    id uuid primary key default gen_random_uuid(), order_id varchar(100) unique not null, signal_id uuid not null,
    asset varchar(20) not null, side varchar(10) not null, order_type varchar(20) not null,
    quantity numeric(20, 8) not null, price numeric(20, 8), status varchar(50) not null default 'pending',
    filled_quantity numeric(20, 8) not null default 0, average_price numeric(20, 8), fees numeric(20, 8),
    created_at timestamp not null default now(), updated_at timestamp not null default (now() at time zone 'utc'),
    executed_at timestamp, trace_id varchar(100), is_dry_run boolean not null default false, rejection_reason text
)"""
BALANCES = """
create table account_balances (
    id uuid primary key default gen_random_uuid(), coin varchar(10) not null, wallet_balance numeric(20, 8) not null,
    available_balance numeric(20, 8) not null, frozen numeric(20, 8) not null default 0,
    event_timestamp timestamp not null default now(),
    received_at timestamp not null default (now() at time zone 'utc'), trace_id varchar(100)
)"""


def sql(database_url: str, query: str, *values) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(query, values)


def hint(size: str = "2.5", asset: str = "SOLUSDT", age: float = 0.0, **changes) -> bytes:
    moment = datetime.fromtimestamp(time.time() - age, UTC).isoformat()
    return json.dumps(POSITION | {"asset": asset, "size": size, "timestamp": moment} | changes).encode()


def send(broker: str, queue: str, *bodies: bytes, arguments=None, **more) -> None:
    asyncio.run(put(broker, queue, bodies, arguments, **more))


def sizes(log) -> list[float]:
    return [event.size for _, event in events(log, PositionEvent)]


# --- positions ---


@pytest.mark.req("MS-FR-032", "MS-EC-12")
def test_a_hint_becomes_an_event_and_a_bad_one_a_dead_letter(log, broker, database_url):
    """The bad one is kept with queue, reason and trace id, and the queue goes on."""
    bad = b'{"event_type": "position_updated", "asset": "SOLUSDT"}'
    send(broker, position_message.QUEUE, bad, headers={"trace_id": "t-7"})
    send(broker, position_message.QUEUE, hint("2.5"), hint("0E-8", "ETHUSDT"))
    with running(Parts(at_end, **OFF | {"positions": True}), log, broker, database_url):
        until(lambda: len(events(log, PositionEvent)) == 2, "two positions")
        until(lambda: asyncio.run(depth(broker, position_message.QUEUE)) == 0, "an empty queue")

    found = {event.symbol: (shard, event.size) for shard, event in events(log, PositionEvent)}
    assert found == {
        "SOLUSDT": (shard_of("SOLUSDT", SHARDS), 2.5),
        "ETHUSDT": (shard_of("ETHUSDT", SHARDS), 0.0),
    }
    (letter,) = letters(log)
    assert letter.source == f"bridge/{position_message.QUEUE}" and letter.raw == bad
    assert "size" in letter.reason and "t-7" in letter.reason and letter.recv


def test_a_repeated_hint_is_written_once(log, broker, database_url):
    """Redelivered by the broker, or published twice: the same is the same."""
    one = hint("2.5")
    with running(Parts(at_end, **OFF | {"positions": True}), log, broker, database_url) as bridge:
        send(broker, position_message.QUEUE, one, one, hint("0E-8"))
        until(lambda: len(sizes(log)) == 2, "two positions")
        until(lambda: bridge.status().event_repeats == 1, "a repeat")
    assert sizes(log) == [2.5, 0.0]


def test_what_was_written_but_not_acknowledged_is_not_written_again_after_a_crash(log, broker, database_url):
    """The bridge before died between log and broker: the next one finds its event on the log."""
    one = hint("2.5")
    with running(Parts(at_end, **OFF | {"positions": True}), log, broker, database_url):
        send(broker, position_message.QUEUE, one)
        until(lambda: len(sizes(log)) == 1, "a position")
    with running(Parts(at_end, **OFF | {"positions": True}), log, broker, database_url) as bridge:
        send(broker, position_message.QUEUE, one, hint("1.5"))
        until(lambda: len(sizes(log)) == 2, "the new position")
        assert bridge.status().event_repeats == 1
    assert sizes(log) == [2.5, 1.5]


def answers(**positions):
    """A position-manager: a size, a status, or text for each symbol; 404 for the others."""

    def answer(method: str, path: str, body: object):
        symbol = path.split("/")[4].partition("?")[0]
        said = positions.get(symbol, 404)
        if isinstance(said, int):
            return said, {"detail": "Position not found" if said == 404 else "oops"}
        if not said.replace(".", "").replace("E-", "").replace("-", "").isdigit():
            return 200, said
        entry = None if float(said) == 0 else "141.5"
        return 200, POSITION | {"asset": symbol, "size": said, "average_entry_price": entry, "current_price": None}

    return answer


def manager(service: Service):
    return lambda: Peer("position-manager", service.url, "key-1")


@pytest.mark.req("MS-EC-14")
def test_positions_are_asked_for_and_unknown_is_not_flat(log, broker, database_url):
    """404 and size 0 are flat; an error, and what cannot be read, are unknown and write nothing."""
    said = {"SOLUSDT": "2.5", "ETHUSDT": "0E-8", "XRPUSDT": 500, "ADAUSDT": "no JSON", "DOTUSDT": 401}
    names = (*said, "BTCUSDT")
    with Service(answers(**said)) as service:
        parts = Parts(at_end, **OFF | {"positions": True}, symbols=names, position_manager=manager(service))
        with running(parts, log, broker, database_url) as bridge:
            until(lambda: bridge.status().positions.get("unknown") == 3, "three unknown")
            until(lambda: bridge.status().positions["answers"] == 3, "three answers")
    found = {event.symbol: (event.size, event.entry) for _, event in events(log, PositionEvent)}
    assert found == {"SOLUSDT": (2.5, 141.5), "ETHUSDT": (0.0, None), "BTCUSDT": (0.0, None)}
    assert ("GET", "/api/v1/positions/SOLUSDT?mode=one-way", None) in service.asked
    assert set(service.keys) == {"key-1"}


def test_a_position_manager_that_cannot_be_reached_is_unknown(log, broker, database_url):
    """Nothing listens there; hints go on."""
    parts = Parts(
        at_end,
        **OFF | {"positions": True},
        symbols=("SOLUSDT",),
        position_manager=lambda: Peer("position-manager", "http://127.0.0.1:9"),
    )
    with running(parts, log, broker, database_url) as bridge:
        until(lambda: bridge.status().positions.get("unknown") == 1, "an unknown position")
        send(broker, position_message.QUEUE, hint("2.5"))
        until(lambda: sizes(log) == [2.5], "the hint")


def test_a_hint_is_followed_by_an_answer_and_a_mismatch_is_counted(log, broker, database_url):
    """The hint goes first, for speed; the answer brings the entry price and the truth."""
    with Service(answers(SOLUSDT="5.0")) as service:
        parts = Parts(at_end, **OFF | {"positions": True}, position_manager=manager(service))
        with running(parts, log, broker, database_url) as bridge:
            send(broker, position_message.QUEUE, hint("2.5", trace_id="t-1"))
            until(lambda: len(sizes(log)) == 2, "hint and answer")
            until(lambda: bridge.status().positions["mismatches"] == 1, "a mismatch")
    first, second = (event for _, event in events(log, PositionEvent))
    assert (first.size, first.entry, first.source) == (2.5, None, position_message.QUEUE)
    assert (second.size, second.entry, second.source) == (5.0, 141.5, "position-manager")
    assert first.trace_id == second.trace_id == "t-1"


def test_a_hint_that_waited_long_is_only_a_reason_to_ask(log, broker, database_url):
    """It tells of a position that may be closed since: acting on it would open another one."""
    with Service(answers()) as service:
        send(broker, position_message.QUEUE, hint("2.5", age=100))
        parts = Parts(at_end, **OFF | {"positions": True}, position_manager=manager(service))
        with running(parts, log, broker, database_url) as bridge:
            until(lambda: len(sizes(log)) == 1, "the answer")
            assert bridge.status().positions["old_hints"] == 1
    assert sizes(log) == [0.0]


# --- balances ---


@pytest.mark.req("MS-EC-04")
def test_the_newest_balance_of_each_coin_goes_to_every_shard_once(log, broker, database_url):
    """Also across a restart, and also where the table appears later."""
    parts = Parts(at_end, **OFF | {"balances": "table"})
    with running(parts, log, broker, database_url):
        time.sleep(0.3)
        sql(database_url, BALANCES)
        for wallet, coin in ((900, "USDT"), (1000, "USDT"), (3, "SOL")):
            query = "insert into account_balances (coin, wallet_balance, available_balance) values (%s, %s, %s)"
            sql(database_url, query, coin, wallet, wallet - 1)
        until(lambda: len(events(log, BalanceEvent)) == 2 * SHARDS, "balances")
    with running(parts, log, broker, database_url):
        time.sleep(0.5)
        sql(
            database_url,
            "insert into account_balances (coin, wallet_balance, available_balance) values ('SOL', 4, 4)",
        )
        until(lambda: len(events(log, BalanceEvent)) == 3 * SHARDS, "the new balance")
    for shard in range(SHARDS):
        found = [(event.coin, event.wallet, event.available) for at, event in events(log, BalanceEvent) if at == shard]
        assert sorted(found[:2]) == [("SOL", 3.0, 2.0), ("USDT", 1000.0, 999.0)]
        assert found[2:] == [("SOL", 4.0, 4.0)]


def test_old_balances_are_asked_for_anew(log, broker, database_url):
    """The gateway is told to look, and what it then writes becomes an event."""
    sql(database_url, BALANCES)
    old = "insert into account_balances (coin, wallet_balance, available_balance, received_at) values"
    sql(database_url, f"{old} ('USDT', 5, 5, (now() at time zone 'utc') - interval '2 minutes')")

    def answer(method: str, path: str, body: object):
        sql(database_url, f"{old} ('USDT', 7, 6, now() at time zone 'utc')")
        return 200, {"updated_coins": ["USDT"], "updated_count": 1}

    with Service(answer) as service:
        parts = Parts(at_end, **OFF | {"balances": "table"}, gateway=lambda: Peer("ws-gateway", service.url))
        with running(parts, log, broker, database_url):
            until(lambda: len(events(log, BalanceEvent)) == 2 * SHARDS, "both balances")
    assert [event.wallet for shard, event in events(log, BalanceEvent) if shard == 0] == [5.0, 7.0]
    assert service.asked == [("POST", "/api/v1/balances/sync", None)]


def test_balances_can_come_from_the_queue(log, broker, database_url):
    """The queue is the gateway's: the bridge waits for it, and takes it as it is."""
    body = {
        "timestamp": "2025-03-04T09:15:02",
        "payload": {"data": [{"coin": [{"coin": "USDT", "walletBalance": "9"}]}]},
    }
    with running(Parts(at_end, **OFF | {"balances": "queue"}), log, broker, database_url):
        time.sleep(0.5)
        send(broker, balance_message.QUEUE, json.dumps(body).encode(), b"{}", arguments=T_ARGUMENTS)
        until(lambda: len(events(log, BalanceEvent)) == SHARDS, "balances")
        until(lambda: len(letters(log)) == 1, "a dead letter")


# --- fills ---


def own(log, number: int = 1):
    record = signal(number, ts=wall_clock())
    log.append(SIGNALS.name, shard_of(record.symbol, SHARDS), [NewRecord(b"SOLUSDT", encode(record), record.ts)])
    return record


def order(database_url: str, order_id: str, signal_id: str, **columns) -> None:
    values = {"order_id": order_id, "signal_id": signal_id, "asset": "SOLUSDT", "side": "Buy", "order_type": "Limit",
              "quantity": 2, "price": 142} | columns  # fmt: skip
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    sql(database_url, f"insert into orders ({names}) values ({marks})", *values.values())


def filled(log) -> list[tuple[str, str, float]]:
    return [(event.order_id, event.status, event.filled) for _, event in events(log, OrderEvent)]


@pytest.mark.req("MS-FR-002", "MS-FR-025")
def test_every_state_of_our_orders_is_written_once(log, broker, database_url):
    """With the strategy whose signal it serves; orders of others are not ours to tell. A restart repeats nothing."""
    sql(database_url, ORDERS)
    record, later = own(log), own(log, 2)
    parts = Parts(at_end, **OFF | {"fills": "table"})
    order(database_url, "a", record.signal_id)
    order(database_url, "x", "00000000-0000-4000-8000-000000000000")
    change = "update orders set status = %s, filled_quantity = %s, average_price = 142, fees = 0.1 where order_id = 'a'"
    with running(parts, log, broker, database_url):
        until(lambda: filled(log) == [("a", "pending", 0.0)], "the order")
        sql(database_url, change, "partially_filled", 1)
        until(lambda: len(filled(log)) == 2, "a part")
        sql(database_url, change, "filled", 2)
        until(lambda: len(filled(log)) == 3, "the rest")
    with running(parts, log, broker, database_url):
        order(database_url, "b", later.signal_id, side="SELL", status="rejected", rejection_reason="Risk limit")
        until(lambda: len(filled(log)) == 4, "the next order")
    assert filled(log) == [
        ("a", "pending", 0.0), ("a", "partially_filled", 1.0), ("a", "filled", 2.0), ("b", "rejected", 0.0),
    ]  # fmt: skip
    shard, last = events(log, OrderEvent)[-1]
    assert shard == shard_of("SOLUSDT", SHARDS)
    assert (last.strategy, last.signal_id, last.side, last.reason) == (
        "swing_a",
        later.signal_id,
        "sell",
        "Risk limit",
    )


@pytest.mark.req("MS-EC-03")
def test_a_row_that_makes_no_sense_becomes_one_dead_letter(log, broker, database_url):
    """It is looked at again and again, and told once; the other orders go on."""
    sql(database_url, ORDERS)
    first, second = own(log), own(log, 2)
    order(database_url, "a", first.signal_id, status="filled", filled_quantity=1, price=None, order_type="Market")
    order(database_url, "b", second.signal_id)
    with running(Parts(at_end, **OFF | {"fills": "table"}), log, broker, database_url):
        until(lambda: filled(log) == [("b", "pending", 0.0)], "the good one")
        time.sleep(1.5)
    (letter,) = letters(log)
    assert letter.source == "bridge/orders" and "which price" in letter.reason
    assert json.loads(letter.raw)["order_id"] == "a"


def test_a_fill_has_the_position_asked_for_and_compared_with_the_orders(log, broker, database_url):
    """position-manager counts some fills twice: what filled orders add up to says otherwise."""
    sql(database_url, ORDERS)
    record = own(log)
    order(database_url, "a", record.signal_id, status="filled", filled_quantity=2, average_price=142)
    with Service(answers(SOLUSDT="4")) as service:
        parts = Parts(at_end, **OFF | {"fills": "table", "positions": True}, position_manager=manager(service))
        with running(parts, log, broker, database_url) as bridge:
            until(lambda: bridge.status().positions.get("mismatches") == 1, "a mismatch")
    assert sizes(log) == [4.0]


def test_order_events_can_come_from_the_queue(log, broker, database_url):
    """Nested or flat; what is older than what the log knows is passed over, what is bad is kept."""
    part = ORDER | {"order": ORDER["order"] | {"status": "partially_filled", "filled_quantity": "1"}}
    bodies = [json.dumps(body).encode() for body in (part, ORDER, part, ORDER, {"order": {}})]
    with running(Parts(at_end, **OFF | {"fills": "queue"}), log, broker, database_url):
        send(broker, order_message.QUEUE, *bodies)
        until(lambda: len(letters(log)) == 1, "a dead letter")
        until(lambda: len(filled(log)) == 2, "both states")
    assert [event[1:] for event in filled(log)] == [("partially_filled", 1.0), ("filled", 2.5)]


# --- crash ---


@pytest.mark.req("MS-EC-04")
def test_kill_9_between_log_and_acknowledgement_writes_nothing_twice(log, broker, database_url, tmp_path):
    """Hints pour in while the bridge is killed again and again: each is on the log once."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from connectors.log import open_log\n"
        "from dataflows.bridge import Bridge, Parts\n"
        "from tests.bridge.running import SHARDS, at_end\n"
        "folder, broker, database = sys.argv[1:]\n"
        "parts = Parts(at_end, signals=False, balances='off', fills='off')\n"
        "asyncio.run(Bridge(parts, open_log(None, Path(folder)), SHARDS, broker, database, 'test').run())\n"
    )

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", program, str(tmp_path / "log"), broker, database_url]
        return subprocess.Popen(command, cwd=Path.cwd(), stderr=subprocess.DEVNULL)

    for number in range(4):
        process = start()
        first = number * 200
        send(broker, position_message.QUEUE, *(hint(str(first + place + 1)) for place in range(200)))
        until(lambda first=first: len(sizes(log)) > first + 20, "some positions")
        process.send_signal(signals.SIGKILL)
        process.wait()
    process = start()
    until(lambda: len(sizes(log)) >= 800, "all positions")
    until(lambda: asyncio.run(depth(broker, position_message.QUEUE)) == 0, "an empty queue")
    process.send_signal(signals.SIGKILL)
    process.wait()
    assert sorted(sizes(log)) == [float(size) for size in range(1, 801)]
