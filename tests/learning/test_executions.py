"""Labels from executions: hand-computed ledgers, the flow's own sums, and a paper session."""

from collections.abc import Iterator
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows.trading import engine
from learning.datasets import DatasetError
from learning.executions import execution_labels, executions_table
from learning.lots import Lots
from operators.trading.holding import Holding
from reports.trips import round_trips
from schemas.account import AccountConfigured, Execution
from schemas.codec import decode_account, decode_signal, encode
from schemas.origin import Origin
from schemas.signal import MarketSnapshot, TradingSignal
from schemas.topics import TOPICS
from tests.operators.decide.chain import configured, eager
from tests.operators.labels.recorded_market import FEW
from tests.streams import SECOND, START, raw, stream


@pytest.fixture
def log(tmp_path) -> Iterator[SqliteLog]:
    made = SqliteLog(tmp_path / "log")
    for topic in TOPICS:
        made.create(topic.name, 1, topic.cleanup)
    yield made
    made.close()


class Desk:
    """Writes signals and executions as the flow does, with the holdings of the flow."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self.holding = Holding()
        self.offset = 0

    def signal(self, name: str, side: str, mid: float, kind: str = "entry") -> None:
        self.offset += 1
        snapshot = MarketSnapshot(mid, 0.2, 0.2, 5000.0, 0.01, 3.0, None, {"rsi_14": 55.0})
        signal = TradingSignal(
            name, "s", "AAAA", START + self.offset * SECOND, side, 100.0, 0.7, kind, True, "1", snapshot, "", "",
            Origin(0, self.offset, 0), model_version="v1",
        )  # fmt: skip
        self.log.append("signals", 0, [NewRecord(b"AAAA", encode(signal), signal.ts)])

    def fill(self, signal: str | None, side: str, size: float, price: float, fee: float, mid: float | None) -> None:
        self.offset += 1
        ts = START + self.offset * SECOND
        profit, closed = self.holding.trade(side, size, price, ts)
        execution = Execution(
            "AAAA", ts, "s", side, size, price, fee, f"o{self.offset}", Origin(0, self.offset, 0), profit, closed,
            signal, mid,
        )  # fmt: skip
        self.log.append("account", 0, [NewRecord(b"AAAA", encode(execution), ts)])


def test_a_ledger_by_hand(log):
    """Two entries, a partial closing between and after them, and the last closing with a reversal.

    a: buys 2 at 100 (mid 99.5), fee 0.2. A closing of 0.5 at 110, fee 0.05: all of it is a's.
    b: buys 0.5 at 106 (mid 106.2), fee 0.1. Held: 1.5 of a, 0.5 of b.
    Closing 1 at 120, fee 0.4: 0.75 of a, 0.25 of b, so fees of 0.3 and 0.1.
    c: sells 3 at 90 (mid 91), fee 0.6: closes the last 0.75 of a and 0.25 of b (fees 0.15 and 0.05), opens 2 short.
    Closing 2 at 80, fee 0.2.
    """
    desk = Desk(log)
    desk.signal("a", "buy", 99.5)
    desk.fill("a", "buy", 2.0, 100.0, 0.2, 99.5)
    desk.signal("x", "sell", 110.0, "exit")
    desk.fill("x", "sell", 0.5, 110.0, 0.05, 110.0)
    desk.signal("b", "buy", 106.2)
    desk.fill("b", "buy", 0.5, 106.0, 0.1, 106.2)
    desk.fill(None, "sell", 1.0, 120.0, 0.4, None)
    desk.signal("c", "sell", 91.0)
    desk.fill("c", "sell", 3.0, 90.0, 0.6, 91.0)
    desk.signal("y", "buy", 80.0, "exit")
    desk.fill("y", "buy", 2.0, 80.0, 0.2, 80.0)

    a, b, c = execution_labels(log, 1, threshold=0.02)
    assert (a.signal_id, b.signal_id, c.signal_id) == ("a", "b", "c")
    # a: 0.5 * 10 + 0.75 * 20 - 0.75 * 10 = 12.5, fees 0.2 + 0.05 + 0.3 + 0.15 = 0.7
    assert a.realized_pnl == pytest.approx(11.8)
    assert a.change == pytest.approx(11.8 / 200)
    assert (a.slippage, a.slippage_rate) == pytest.approx((1.0, 1.0 / (2 * 99.5)))
    assert (a.binary, a.label) == (1, 1)
    # b: 0.25 * 14 - 0.25 * 16 = -0.5, fees 0.1 + 0.1 + 0.05 = 0.25
    assert b.realized_pnl == pytest.approx(-0.75)
    assert b.slippage == pytest.approx(-0.1)
    assert (b.binary, b.label) == (0, 0)
    # c: 2 * 10 = 20, fees 0.4 + 0.2
    assert c.realized_pnl == pytest.approx(19.4)
    assert c.slippage == pytest.approx(2.0)
    assert c.features == {
        "side": -1.0, "amount": 100.0, "confidence": 0.7, "price": 91.0, "spread": 0.2, "spread_percent": 0.2,
        "volume_24h": 5000.0, "volatility": 0.01, "bid_depth": 3.0, "ask_depth": None, "rsi_14": 55.0,
    }  # fmt: skip


@pytest.mark.req("MS-US-2.1")
def test_a_table_once_there_are_enough(log):
    """Features before labels, in the order of time; what is still open has no row, and too few are an error."""
    desk = Desk(log)
    for place in range(5):
        desk.signal(f"in{place}", "buy", 100.0)
        desk.fill(f"in{place}", "buy", 1.0, 100.0, 0.1, 100.0)
        if place < 4:
            desk.fill(None, "sell", 1.0, 100.0 + (-1) ** place, 0.1, None)

    table = executions_table(log, 1, START, START + 100 * SECOND, least=4)
    assert table.column("signal_id").to_pylist() == ["in0", "in1", "in2", "in3"]
    assert table.column("realized_pnl").to_pylist() == pytest.approx([0.8, -1.2, 0.8, -1.2])
    assert table.column("binary").to_pylist() == [1, 0, 1, 0]
    assert table.column("label").to_pylist() == [1, -1, 1, -1]
    assert table.schema.field("ask_depth").type == pa.float64()
    with pytest.raises(DatasetError, match=r"there are 4 entries .* and 5 are needed"):
        executions_table(log, 1, START, START + 100 * SECOND, least=5)
    with pytest.raises(DatasetError, match="there are 0 entries"):
        executions_table(log, 1, START, START + 100 * SECOND, strategies=("other",))
    # Of an end in the middle nothing is known that was closed behind it.
    assert executions_table(log, 1, START, START + 8 * SECOND).num_rows == 2


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_all_entries_together_earn_what_the_flow_calls_realized(seed, count):
    """Random trading in one position; at the end it is closed. No profit and no fee is lost or counted twice."""
    random = Random(seed)
    holding, lots = Holding(), Lots()
    executions, done = [], []
    for place in range(count + 1):
        side = random.choice(["buy", "sell"])
        size, price, fee = random.randint(1, 8) / 4, random.randint(80, 120) * 1.0, random.randint(-1, 5) / 100
        if place == count:
            if holding.size == 0:
                break
            side, size = ("sell" if holding.size > 0 else "buy"), abs(holding.size)
        profit, closed = holding.trade(side, size, price, place)
        execution = Execution(
            "AAAA", place, "s", side, size, price, fee, str(place), Origin(0, place, 0), profit, closed,
            random.choice([None, f"s{place}"]), price - 1,
        )  # fmt: skip
        executions.append(execution)
        done += lots.feed(execution)

    assert sum(lot.gross for lot in done) == pytest.approx(sum(one.realized for one in executions), abs=1e-6)
    fees = sum(one.fee for one in executions)
    assert sum(lot.gross - lot.net for lot in done) == pytest.approx(fees, abs=1e-6)
    trips = round_trips(executions)
    assert sum(lot.net for lot in done) == pytest.approx(sum(trip.net for trip in trips), abs=1e-6)
    assert {lot.closed for lot in done} == {trip.closed for trip in trips}


@pytest.mark.req("MS-US-2.1", "MS-US-2.4")
def test_a_paper_session_gives_a_dataset_that_grows_with_it(log):
    """What the trading flow signals and its paper exchange executes; new data come in as they are executed."""
    settings = eager(exits={"cooldown": 5, "take_profit": {"percent": 0.05}, "stop_loss": {"percent": -0.05}})
    events = [AccountConfigured(START, "paper", cash=1e6), configured(settings)]
    events += stream(3, 900, ("BTCUSDT", "ETHUSDT"), faults=False)
    outputs = engine(FEW, 0).feed(raw(events))
    counts = []
    for part in (outputs[: len(outputs) // 2], outputs[len(outputs) // 2 :]):
        for one in part:
            if one.topic in ("signals", "account"):
                log.append(one.topic, 0, [NewRecord(one.key.encode(), one.value, one.timestamp)])
        counts.append(len(list(execution_labels(log, 1))))
    assert 0 < counts[0] < counts[1]

    account = [decode_account(one.value) for one in outputs if one.topic == "account"]
    signals = {one.signal_id: one for one in (decode_signal(one.value) for one in outputs if one.topic == "signals")}
    trips = [trip for trip in round_trips([one for one in account if isinstance(one, Execution)]) if trip.closed]
    labels = list(execution_labels(log, 1))
    assert sum(label.realized_pnl for label in labels) == pytest.approx(sum(trip.net for trip in trips))
    for label in labels:
        signal = signals[label.signal_id]
        assert label.features["price"] == signal.snapshot.price
        assert label.ts == signal.ts < label.closed
