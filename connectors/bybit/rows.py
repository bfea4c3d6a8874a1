"""Rows of Bybit's REST answers as events. A row that cannot be true spoils its answer, which is asked for again."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from connectors.bybit.answers import BookNow, CandleRow, FundingRow, TradeRow
from connectors.bybit.errors import Passing
from connectors.bybit.messages import Ticker as TickerRow
from connectors.bybit.parse import SIDES, merge
from connectors.quantities import present
from connectors.validate import check
from schemas.market import AnyMarketEvent, BookSnapshot, Funding, Kline, Ticker, Trade

MINUTE = 60_000_000
E = TypeVar("E", bound=AnyMarketEvent)
R = TypeVar("R")


def kline(symbol: str, row: CandleRow) -> Kline:
    """A closed candle: known, and so received, at its end."""
    start, opening, high, low, close, volume, turnover = row
    if start * 1000 % MINUTE:
        raise Passing(f"a candle begins at {start} ms, which begins no minute")
    end = start * 1000 + MINUTE
    prices = (opening, high, low, close)
    return sound(Kline(symbol, end, end, start * 1000, *prices, volume, turnover, closed=True, backfilled=True))


def funding(symbol: str, row: FundingRow) -> Funding:
    """A rate that was paid, known when it was paid."""
    time = row.time * 1000
    return sound(Funding(symbol, time, time, row.rate, settled=True, backfilled=True))


def trade(symbol: str, row: TradeRow) -> Trade:
    """A trade, known when it happened."""
    time = row.time * 1000
    side = SIDES[row.side]
    return sound(Trade(symbol, time, time, row.id, side, row.price, row.size, backfilled=True))  # type: ignore[arg-type]


def book(symbol: str, answer: BookNow) -> BookSnapshot:
    """The book as it stood, known at once."""
    time = answer.time * 1000
    return sound(BookSnapshot(symbol, time, time, answer.u, present(answer.bids), present(answer.asks)))


def ticker(symbol: str, row: TickerRow, time: int) -> Ticker:
    """The ticker as it stood at ``time`` (microseconds)."""
    known: dict[str, object] = {}
    merge(known, row)
    return sound(Ticker(symbol, time, time, **known))  # type: ignore[arg-type]


def sound(event: E) -> E:
    """The event.

    Raises:
        Passing: when it cannot be true.
    """
    if problem := check(event):
        raise Passing(f"a {type(event).__name__.lower()} that cannot be: {problem}")
    return event


def each_once(rows: Sequence[R], key: Callable[[R], object], what: str) -> list[R]:
    """The rows without repetitions, in their order.

    Raises:
        Passing: when two rows that say different things have the same key.
    """
    found: dict[object, R] = {}
    for row in rows:
        if found.setdefault(key(row), row) != row:
            raise Passing(f"two different {what} for {key(row)}")
    return list(found.values())


def all_of(theirs: str, names: Sequence[str]) -> None:
    """Refuse an answer about another symbol.

    Raises:
        Passing: when there is one.
    """
    for name in names:
        if name != theirs:
            raise Passing(f"asked for {theirs}, answered with {name}")


def newest_first(times: Sequence[int]) -> None:
    """Refuse rows in another order: among equal times theirs is the only one there is.

    Raises:
        Passing: when a row is newer than the one before it.
    """
    for newer, older in pairwise(times):
        if older > newer:
            raise Passing("the rows are not newest first")


def only(rows: Sequence[R], theirs: str) -> R:
    """The single row.

    Raises:
        Passing: when there is none, or more than one.
    """
    if len(rows) != 1:
        raise Passing(f"{len(rows)} rows for {theirs}, not one")
    return rows[0]
