"""Executions and prices drawn at random, as the flow would have written them."""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from operators.trading.holding import Holding
from reports.bar import PriceBar
from schemas.account import Execution
from schemas.origin import Origin

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


class Fill(NamedTuple):
    """What a test says of an execution; the rest follows."""

    second: int
    side: str
    size: float
    price: float
    fee: float = 0.0
    strategy: str = "calm"
    symbol: str = "BTCUSDT"
    signal: str | None = None
    signal_price: float | None = None
    kind: str | None = "entry"


def executed(fills: Sequence[Fill]) -> list[Execution]:
    """The executions of fills in order; each strategy and symbol has a position of its own."""
    holdings: dict[tuple[str, str], Holding] = {}
    found = []
    for number, fill in enumerate(fills):
        holding = holdings.setdefault((fill.strategy, fill.symbol), Holding())
        ts = START + fill.second * SECOND
        realized, closed = holding.trade(fill.side, fill.size, fill.price, ts)
        found.append(
            Execution(
                fill.symbol,
                ts,
                fill.strategy,
                fill.side,
                fill.size,
                fill.price,
                fill.fee,
                f"order-{number}",
                Origin(0, number, 0),
                realized,
                closed,
                fill.signal,
                fill.signal_price,
                signal_kind=fill.kind,
            )
        )
    return found


def bar(second: int, low: float, high: float, close: float, symbol: str = "BTCUSDT", seconds: int = 1) -> PriceBar:
    """What was seen in the ``seconds`` before ``second``."""
    ts = START + second * SECOND
    return PriceBar(symbol, ts, ts - seconds * SECOND, high, low, close, Origin(0, second, 0))


@st.composite
def fill_lists(draw: st.DrawFn, most: int = 30) -> list[Fill]:
    """Fills in time order; sizes are eighths, so that sums of them are exact."""
    seconds = sorted(draw(st.lists(st.integers(1, 3000), max_size=most)))
    return [
        Fill(
            second,
            draw(st.sampled_from(["buy", "sell"])),
            draw(st.integers(1, 16)) / 8,
            draw(st.integers(8, 8000)) / 8,
            draw(st.integers(-4, 16)) / 16,
            draw(st.sampled_from(["calm", "bold"])),
            draw(st.sampled_from(["BTCUSDT", "ETHUSDT"])),
            signal_price=draw(st.one_of(st.none(), st.integers(8, 8000).map(lambda n: n / 8))),
        )
        for second in seconds
    ]


@st.composite
def bar_lists(draw: st.DrawFn) -> list[PriceBar]:
    """Bars of both symbols at whole seconds."""
    found = []
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for second in sorted(draw(st.sets(st.integers(1, 3000), max_size=20))):
            low, close, high = sorted(draw(st.integers(8, 8000)) / 8 for _ in range(3))
            found.append(bar(second, low, high, close, symbol))
    return found
