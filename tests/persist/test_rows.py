"""What each record becomes in the tables, against values worked out by hand."""

import json

import pytest

from connectors.log import Log, NewRecord
from connectors.postgres.account_rows import whole
from schemas.account import AccountConfigured, BalanceEvent
from schemas.origin import Origin
from schemas.signal import MarketSnapshot
from schemas.strategy import Strategy, StrategyConfigured, Warmup
from tests.persist.conftest import store
from tests.persist.tables import expected, held, naive, places, rows
from tests.persist.written import (
    SECOND,
    START,
    decision,
    execution,
    order,
    position,
    signal,
    story,
    write,
    write_events,
)


@pytest.mark.req("TK-MS-06", "MS-SC-007")
def test_a_signal_has_the_names_and_types_that_other_services_read(log: Log, url: str) -> None:
    """``spread`` in per cent, the amount in ``metadata``, times naive UTC, confidence to four places."""
    made = signal(Origin(0, 7, 1), START + 250_000, confidence=0.123456, requested=400.0, model_version="v1741000000")
    write(log, [made])
    store(log, url)
    found = rows(
        url,
        "select id::text, signal_id::text, strategy_id, asset, side, price, confidence, timestamp::text,"
        " model_version, is_warmup, market_data_snapshot, metadata, trace_id from trading_signals",
    )

    assert len(found) == 1
    *head, market, metadata, trace_id = found[0]
    assert head == [
        made.signal_id, made.signal_id, "alpha", "BTCUSDT", "buy", places(142.2), places(0.1235, 4),
        "2025-03-04 09:15:04.25", "v1741000000", True,
    ]  # fmt: skip
    assert market == {
        "price": 142.2, "spread": 0.00246, "spread_absolute": 0.0035, "volume_24h": 918.4, "volatility": 0.00041,
        "orderbook_depth": {"bid_depth": 512.0, "ask_depth": 498.5}, "technical_indicators": {"rsi_14": 31.5},
    }  # fmt: skip
    assert (metadata["amount"], metadata["requested"], metadata["kind"]) == (355.5, 400.0, "entry")
    assert (metadata["reasoning"], metadata["origin"]) == ("momentum 0.4 above 0.1", "0/7/1")
    assert trace_id == made.trace_id


@pytest.mark.req("MS-FR-013", "MS-US-4.3")
def test_a_decision_not_to_trade_keeps_its_reason_its_numbers_and_the_gates_before(log: Log, url: str) -> None:
    made = decision(Origin(1, 3, 0), START)
    write(log, [made])
    store(log, url)

    query = "select id, kind, outcome, step, reason, numbers, gates, signal_id, trace_id, origin from decisions"
    assert rows(url, query) == [
        (
            made.origin.uuid("decision"), "entry", "skip", "rate", "no token for 12.5 s",
            {"tokens": 0.0, "wait": 12.5}, [{"step": "data", "age": 0.2}], None, made.trace_id, "1/3/0",
        )
    ]  # fmt: skip


EXECUTED = "select execution_price, execution_quantity, execution_fees, performance, side from execution_events"


@pytest.mark.req("TK-MS-07")
def test_what_opens_a_position_has_slippage_and_no_profit(log: Log, url: str) -> None:
    """Bought at 142.3 what was 142.2 at the signal: 0.1 worse for each unit."""
    write(log, [execution(Origin(0, 5, 0))])
    store(log, url)
    price, quantity, fees, performance, side = rows(url, EXECUTED)[0]

    assert (price, quantity, fees, side) == (places(142.3), places(2.5), places(0.2), "buy")
    assert performance["slippage"] == pytest.approx(0.1)
    assert performance["slippage_percent"] == pytest.approx(0.1 / 142.2 * 100)
    assert "realized_pnl" not in performance
    assert "return_percent" not in performance


@pytest.mark.req("TK-MS-07")
@pytest.mark.parametrize(
    ("side", "entry", "realized"), [("sell", 100.0, 2.0 * (142.3 - 100.0)), ("buy", 150.0, 2.0 * (150.0 - 142.3))]
)
def test_what_closes_a_position_has_the_profit_of_the_closed_part(log: Log, url: str, side, entry, realized) -> None:
    """Of 2.5 executed 2 closed a long from 100, or a short from 150. A rebate is a fee of 0 with its true value."""
    closing = {"side": side, "realized": realized, "closed": 2.0, "fee": -0.05, "signal_kind": "exit"}
    write(log, [execution(Origin(0, 5, 0), **closing)])
    store(log, url)
    _, _, fees, performance, _ = rows(url, EXECUTED)[0]

    assert fees == 0
    assert performance["fees"] == -0.05
    assert performance["realized_pnl"] == pytest.approx(realized)
    assert performance["closed_quantity"] == 2.0
    assert performance["return_percent"] == pytest.approx(realized / (2.0 * entry) * 100)
    worse = 0.1 if side == "buy" else -0.1
    assert performance["slippage"] == pytest.approx(worse)


def test_an_execution_that_no_signal_of_ours_asked_for_is_no_row(log: Log, url: str) -> None:
    write(log, [execution(Origin(0, 5, 0), strategy=""), execution(Origin(0, 6, 0), signal_id=None, signal_price=None)])
    work = store(log, url)

    assert rows(url, EXECUTED) == []
    assert work.tally.refused == {}


def test_a_position_keeps_its_entry_peak_and_last_exit_signal_and_goes_when_it_closes(log: Log, url: str) -> None:
    """Long 2 from 100, at best worth 110, an exit signal after 5 s; then flat.

    Each in a process of its own: what is known of a position stands beside its place in the log.
    """
    query = "select entry_price, entry_time, peak_price, highest_unrealized_pnl, last_exit_signal_time from"
    query = f"{query} position_states"
    told = [
        position(2.0, START, origin=Origin(0, 1, 0), unrealized_pnl=4.0),
        position(2.0, START + 3 * SECOND, origin=Origin(0, 2, 0), unrealized_pnl=20.0),
        position(1.0, START + 6 * SECOND, origin=Origin(0, 9, 0), unrealized_pnl=-3.0),
    ]
    write(log, told[:2])
    store(log, url)
    write(log, [told[2], signal(Origin(0, 5, 1), START + 5 * SECOND, kind="exit", rule="stop_loss")])
    store(log, url)
    assert rows(url, query) == [
        (places(100), naive(START), places(110), places(20), naive(START + 5 * SECOND)),
    ]
    turned = position(-1.0, START + 8 * SECOND, origin=Origin(0, 12, 0), unrealized_pnl=5.0)
    write(log, [turned])
    store(log, url)
    assert rows(url, query) == [(places(100), naive(START + 8 * SECOND), places(95), places(5), None)]
    write(log, [position(0.0, START + 9 * SECOND, origin=Origin(0, 13, 0))])
    store(log, url)
    assert rows(url, query) == []


def test_of_events_only_the_account_of_the_bridge_and_settings_are_stored(log: Log, url: str) -> None:
    """Each under its place in the log; settings, which stand in every shard, once."""
    settings = StrategyConfigured(START, Strategy("alpha", ("BTCUSDT",), warmup=Warmup(frequency=2.0)), by="me")
    balance = BalanceEvent("USDT", START, START, 10.0, 10.0)
    for shard in range(2):
        write_events(log, shard, [AccountConfigured(START, "live"), settings, balance])
    ours = order(START, "BTCUSDT", signal_id="not a uuid", strategy="alpha")
    write_events(log, 1, [ours, position(2.0, symbol="ETHUSDT")])
    log.append("events", 1, [])
    store(log, url)

    assert rows(url, "select order_id, signal_id, strategy_id, place, source from order_events") == [
        ("order-1", None, "alpha", "events/1/3", "order-manager")
    ]
    assert rows(url, "select asset, size, place from position_events") == [("ETHUSDT", 2.0, "events/1/4")]
    assert rows(url, "select asset from position_states") == [("ETHUSDT",)]
    stored = rows(url, "select strategy_id, enabled, settings, changed_by, place from strategy_settings")
    assert [row[:2] + row[3:] for row in stored] == [("alpha", True, "me", "events/0/1")]
    assert stored[0][2] == json.loads(json.dumps(whole(settings.settings)))
    assert stored[0][2]["warmup"]["frequency"] == 2.0
    assert stored[0][2]["rate"] == {"per_minute": 60.0, "burst": 10}


def test_on_a_paper_account_the_positions_of_the_bridge_are_somebody_elses(log: Log, url: str) -> None:
    """Also in the next process: which account is in force is remembered with the place in the log."""
    write_events(log, 0, [AccountConfigured(START, "paper")])
    store(log, url)
    write_events(log, 0, [position(2.0)])
    store(log, url)
    assert rows(url, "select asset from position_states") == []
    assert rows(url, "select asset from position_events") == [("BTCUSDT",)]
    write_events(log, 0, [AccountConfigured(START, "live"), position(2.0)])
    store(log, url)
    assert rows(url, "select asset from position_states") == [("BTCUSDT",)]


def test_tables_hold_what_the_records_say(log: Log, url: str) -> None:
    """A story of both shards, against plain Python; stored in several goes with small batches."""
    told = [story(1, shard, 0, 150) for shard in range(2)]
    for part in (slice(0, 60), slice(60, 61), slice(61, None)):
        for records in told:
            write(log, records[part])
        store(log, url, batch=7)

    assert held(url) == expected(told[0] + told[1])


def test_a_record_that_no_table_takes_is_kept_aside_and_stops_nobody(log: Log, url: str) -> None:
    """Unreadable, an id that is no UUID, too long, too large, rounded to nothing, a zero byte, a time beyond all."""
    market = MarketSnapshot(1e15, None, None, None, None, None, None, {})
    tiny = execution(Origin(0, 24, 0), size=1e-10)
    bad = [
        signal(Origin(0, 20, 0), signal_id="nonsense"),
        signal(Origin(0, 21, 0), strategy="x" * 101),
        signal(Origin(0, 22, 0), snapshot=market),
        decision(Origin(0, 23, 0), reason="a\x00b"),
        tiny,
        decision(Origin(0, 25, 0), ts=10**18),
    ]
    good = story(2, 0, 30, 20)
    write(log, [*bad, *good])
    for value in (b"{", b"\xff\xfe", b"[" * 100_000, None):
        log.append("decisions", 1, [NewRecord(b"X", value, START)])
    work = store(log, url)

    assert held(url) == expected(good)
    assert work.tally.refused == {"signals": 3, "decisions": 6, "account": 1}
    kept = rows(url, 'select topic, shard, "offset", reason, value from refused_records order by 1, 2, 3')
    assert [(topic, shard) for topic, shard, *_ in kept] == [
        ("account", 0), *[("decisions", 0)] * 2, *[("decisions", 1)] * 4, *[("signals", 0)] * 3
    ]  # fmt: skip
    assert all(reason for *_, reason, _ in kept)
    assert bytes(kept[3][4]) == b"{"
