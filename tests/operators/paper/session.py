"""A session on the paper exchange that a test writes line by line."""

import pytest

from schemas.account import AccountConfigured, OrderEvent
from schemas.market import BookDelta, BookSnapshot, Tick, Trade
from schemas.signal import MarketSnapshot
from tests.operators.paper.chain import Chain
from tests.streams import SECOND, START

X = "SOLUSDT"
BIDS = [(99.0, 2.0), (98.0, 4.0)]
ASKS = [(101.0, 1.0), (102.0, 3.0)]


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def paper(**terms) -> AccountConfigured:
    return AccountConfigured(START, "paper", **{"taker_fee": 0.001, "maker_fee": 0.0002, "latency": 50_000, **terms})


def book(seconds: float, u: int = 1, bids=BIDS, asks=ASKS, symbol: str = X) -> BookSnapshot:
    return BookSnapshot(symbol, at(seconds), at(seconds), u, bids, asks)


def delta(seconds: float, u: int, bids=(), asks=()) -> BookDelta:
    return BookDelta(X, at(seconds), at(seconds), u, u - 1, list(bids), list(asks))


def trade(seconds: float, side: str, price: float, size: float, id: str | None = None) -> Trade:
    return Trade(X, at(seconds), at(seconds), id or str(seconds), side, price, size)


def tick(seconds: float) -> Tick:
    return Tick(at(seconds))


class Session(Chain):
    """A chain with a book, whose signals come when the test says so."""

    def __init__(self, *begin, **terms) -> None:
        self.next: list[dict] = []
        super().__init__(lambda chain, record: self._pending(record))
        self.feed(tick(0), paper(**terms), *(begin or [book(0)]))

    def _pending(self, record) -> list[dict]:
        if not isinstance(record, Tick):
            return []
        signals, self.next = self.next, []
        return signals

    def order(self, seconds: float, side: str, quantity: float, price: float = 100.0, **more) -> list:
        """Signal ``quantity`` at the tick of ``seconds``, and let it arrive 50 ms later."""
        spread = more.pop("spread", 2.0)
        snapshot = MarketSnapshot(price, spread, spread, None, None, None, None, {})
        wanted = {"symbol": X, "side": side, "amount": quantity * price, "snapshot": snapshot, **more}
        self.next.append(wanted)
        return [*self.feed(tick(seconds)), *self.feed(tick(seconds + 0.05))]


def only(records: list, kind: type) -> list:
    return [record for record in records if isinstance(record, kind)]


def states(records: list) -> list[tuple]:
    return [(event.status, event.filled, event.average_price) for event in only(records, OrderEvent)]


def near(value: float):
    return pytest.approx(value, rel=1e-12)
