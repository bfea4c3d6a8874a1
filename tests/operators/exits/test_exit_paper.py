"""Exits on the paper exchange: it must really be closed, with exactly what was held."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.engine import Cursor, Engine, Stage
from operators.exits import ExitsStage
from operators.features.catalogue import FEATURES
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.paper.stage import PaperBack, PaperFront
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage
from schemas.account import AccountConfigured
from schemas.codec import encode
from schemas.market import BookSnapshot
from schemas.origin import Origin
from schemas.signal import MarketSnapshot, TradingSignal
from schemas.strategy import StrategyConfigured
from tests.operators.exits.exit_desk import START, at, decoded, price, strategy, tick


class Enter:
    """A stage that sends one entry, as the stage that decides would."""

    layout = 1

    def __init__(self, accounts: AccountStage, side: str, size: float) -> None:
        self.accounts, self.side, self.size = accounts, side, size

    def feed(self, record, out):
        out.append(record)
        if type(record) is BookSnapshot and self.size:
            market = MarketSnapshot(100.0, 0.5, 0.5, None, None, None, None, {})
            signal = TradingSignal(
                str(Origin(0, 0, 99).uuid("signal")), "s", record.symbol, record.recv, self.side, self.size * 100.0,
                1.0, "entry", True, "1", market, "test", "t", Origin(0, 0, 99),
            )  # fmt: skip
            self.accounts.account.signalled(signal)
            out.append(signal)
            self.size = 0.0

    def snapshot(self):
        return self.size

    def restore(self, state):
        self.size = state


def trading(side: str, size: float, **exits) -> tuple[Engine, list]:
    """An engine with the paper exchange at both ends, after an entry of ``size`` was filled."""

    def build(cursor: Cursor) -> list[Stage]:
        market = MarketStage(FeatureSet("1", [("mid_price", FEATURES["mid_price"], None)]), cursor)
        quotes = Quotes(market)
        front, accounts = PaperFront(cursor, quotes), AccountStage(cursor, quotes)
        stages = [quotes, front, accounts, ExitsStage(cursor, quotes, accounts), Enter(accounts, side, size)]
        return [market, *stages, PaperBack(front)]

    engine = Engine(0, build)
    settled = strategy(take_profit={"percent": 3.0}, **exits)
    events = [AccountConfigured(START, "paper", cash=100_000.0), StrategyConfigured(START, settled), tick(0)]
    events += [price(0.1, 100.0), price(0.5, 100.0), tick(1)]
    return engine, engine.feed(list(enumerate(map(encode, events))))


@pytest.mark.req("MS-FR-029")
@given(st.sampled_from(["buy", "sell"]), st.integers(1000, 7000), st.sampled_from([90.0, 96.0, 104.0, 110.0]))
@settings(max_examples=30, deadline=None)
def test_an_exit_on_paper_leaves_nothing_open(side, thousandths, mid):
    """One exit signal in the very event that moved the price; after its fill the account is flat, nothing is left."""
    size = thousandths / 1000
    engine, entered = trading(side, size)
    fills = [event for event in decoded(entered, "account") if type(event).__name__ == "Execution"]
    assert sum(fill.size for fill in fills) == pytest.approx(size)

    left = [price(2, mid), tick(3), price(3.5, mid), *(tick(s) for s in range(4, 60))]
    outputs = engine.feed([(100 + offset, encode(event)) for offset, event in enumerate(left)])
    (signal,) = decoded(outputs, "signals")
    assert (signal.origin.offset, signal.ts) == (100, at(2))
    told = decoded(outputs, "account")
    assert [event.size for event in told if type(event).__name__ == "PositionEvent"][-1] == 0.0
    closed = sum(event.closed for event in told if type(event).__name__ == "Execution")
    assert closed == pytest.approx(sum(fill.size for fill in fills), abs=1e-12)
    assert decoded(outputs, "quality") == []
    assert {decision.step for decision in decoded(outputs, "decisions")} <= {"stop_loss", "take_profit", "cooldown"}


@pytest.mark.req("MS-US-5.9")
def test_a_partial_exit_on_paper_closes_half_then_the_rest():
    """Held 3: 1.5, and 1.5 a minute later."""
    engine, _ = trading("buy", 3.0, cooldown=60.0)
    engine.stages[3].strategies["s"] = strategy(take_profit={"percent": 3.0, "partial": 50.0})
    left = [price(2, 104.0), *(event for s in range(3, 70) for event in (price(s, 104.0), tick(s)))]
    outputs = engine.feed([(100 + offset, encode(event)) for offset, event in enumerate(left)])

    assert [(s.amount, s.ts) for s in decoded(outputs, "signals")] == [(1.5 * 104, at(2)), (1.5 * 104, at(62))]
    sizes = [event.size for event in decoded(outputs, "account") if type(event).__name__ == "PositionEvent"]
    assert sizes[-1] == 0.0
