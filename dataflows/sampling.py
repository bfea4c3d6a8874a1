"""Prices of a backtest: what the market did between two moments, cut finely enough for every round trip."""

from collections.abc import Iterable
from typing import Any

from operators.engine import Cursor, Engine, Raw, Stage
from operators.spans import SECOND
from operators.trading.quotes import Quotes
from reports.bar import PriceBar
from schemas.account import Execution
from schemas.codec import encode
from schemas.output import Output
from schemas.vector import FeatureVector

TOPIC = "prices"
"""A topic of a backtest's own log."""
EVERY = 10 * SECOND
"""The longest bar, on the shard's clock."""


class Sampler:
    """Stands last: cuts the mids seen at each second into bars, at every ``EVERY`` and at every execution.

    Vectors end here: a backtest does not write them, and what is not written need not be encoded.
    """

    layout = 1
    takes = frozenset((FeatureVector, Execution))

    def __init__(self, cursor: Cursor, quotes: Quotes) -> None:
        self.cursor = cursor
        self.quotes = quotes
        self.open: dict[str, tuple[int, float, float, float]] = {}
        self.made: list[Output] = []

    def feed(self, record: Any, out: list[Any]) -> None:
        """See a price at each vector; cut at executions."""
        kind = type(record)
        if kind is FeatureVector:
            self._see(record.symbol)
            return
        if kind is Execution:
            self._see(record.symbol, cut=True)
        out.append(record)

    def take(self) -> list[Output]:
        """The bars that were made since the last call."""
        made, self.made = self.made, []
        return made

    def snapshot(self) -> Any:
        """The state as plain data; what was made has been taken."""
        return list(self.open.items())

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.open = {symbol: tuple(bar) for symbol, bar in state}  # type: ignore[misc]  # MessagePack has lists

    def _see(self, symbol: str, cut: bool = False) -> None:
        price, now = self.quotes.price(symbol), self.quotes.clock
        if price is None:
            return
        start, high, low, _ = self.open.get(symbol) or (now, price, price, price)
        high, low = max(high, price), min(low, price)
        self.open[symbol] = start, high, low, price
        if cut or now // EVERY > start // EVERY:
            origin = self.cursor.next()
            bar = PriceBar(symbol, now, start, high, low, price, origin)
            self.made.append(Output(TOPIC, symbol, origin, now, encode(bar)))
            self.open[symbol] = now, price, price, price


class SampledEngine(Engine):
    """An engine with a ``Sampler`` as its last stage, whose bars come out behind what the others derive."""

    def feed(self, messages: Iterable[Raw]) -> list[Output]:
        """As an engine does."""
        outputs = super().feed(messages)
        sampler: Stage = self.stages[-1]
        assert isinstance(sampler, Sampler), "the sampler stands last"
        return outputs + sampler.take()
