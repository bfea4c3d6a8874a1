"""What an event must be to go on the log."""

from collections.abc import Callable, Collection
from functools import lru_cache
from re import compile as pattern
from typing import Any

from schemas.bounds import LARGEST, LAST_ID, LONGEST, YEAR_2100
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Funding, Gap, Kline, Level, Tick, Ticker, Trade

SECOND = 1_000_000
FUTURE = 1 * SECOND
"""How far ``recv`` may lie ahead of now: clocks of two machines differ a little."""
AHEAD = 60 * SECOND
"""How far the exchange's time may lie ahead of ours, which may run behind (1.5 s in some recordings)."""

is_symbol = lru_cache(maxsize=4096)(pattern(r"[A-Z0-9][A-Z0-9_.-]{1,47}").fullmatch)


def check(event: AnyMarketEvent, now: int | None = None, known: Collection[str] | None = None) -> str | None:
    """Why the event must be refused, or None where it is sound.

    ``now`` is the time of the caller's clock in microseconds UTC; without it nothing is refused for lying in the future
    of our clock. ``known`` are the symbols to accept; without it every well-formed one is.

    >>> trade = Trade("BTCUSDT", ts=1, recv=2, id="a", side="buy", price=10.0, size=1.0)
    >>> check(trade)
    >>> check(Trade("BTCUSDT", ts=1, recv=2, id="a", side="buy", price=float("nan"), size=1.0))
    'price nan is not positive and finite'
    >>> check(trade, known={"ETHUSDT"})
    "unknown symbol 'BTCUSDT'"
    """
    recv = event.recv
    if not 0 < recv < YEAR_2100:
        return f"recv {recv} is not between 1970 and 2100"
    if now is not None and recv > now + FUTURE:
        return f"recv lies {(recv - now) / SECOND:.3f} s in the future"
    if isinstance(event, Tick):
        return None
    if not 0 < event.ts < YEAR_2100:
        return f"ts {event.ts} is not between 1970 and 2100"
    if event.ts > recv + AHEAD:
        return f"ts lies {(event.ts - recv) / SECOND:.3f} s after recv"
    if not is_symbol(event.symbol):
        return f"{event.symbol[:60]!r} is no symbol"
    if known is not None and event.symbol not in known:
        return f"unknown symbol {event.symbol!r}"
    return CHECKS[type(event)](event)


def levels_problem(levels: list[Level], least: float) -> str | None:
    """A price that is not positive, or a size below 0 (in a delta) or not above it (in a snapshot)."""
    for price, size in levels:
        if not (0.0 < price < LARGEST and least <= size < LARGEST):
            return f"level {price} x {size} is out of bounds"
    return None


LEAST_SIZE = 5e-324
"""The smallest float above 0."""


def delta_problem(event: BookDelta) -> str | None:
    """Levels in bounds, update ids that rise: ``prev < first <= u``."""
    first = event.first or event.u
    if not -1 <= event.prev < first <= event.u <= LAST_ID:
        return f"update ids prev {event.prev}, first {first}, u {event.u} do not rise"
    return levels_problem(event.bids, 0.0) or levels_problem(event.asks, 0.0)


def snapshot_problem(event: BookSnapshot) -> str | None:
    """Levels in bounds, each price once, and not crossed."""
    if problem := levels_problem(event.bids, LEAST_SIZE) or levels_problem(event.asks, LEAST_SIZE):
        return problem
    if not -1 <= event.u <= LAST_ID:
        return f"update id {event.u} is out of bounds"
    for side, levels in (("bid", event.bids), ("ask", event.asks)):
        if len({price for price, _ in levels}) != len(levels):
            return f"a {side} price comes twice"
    if event.bids and event.asks:
        bid, ask = max(event.bids)[0], min(event.asks)[0]
        if bid >= ask:
            return f"crossed: best bid {bid} >= best ask {ask}"
    return None


def trade_problem(event: Trade) -> str | None:
    """A positive price and size, and an id."""
    if not 0.0 < event.price < LARGEST:
        return f"price {event.price} is not positive and finite"
    if not 0.0 < event.size < LARGEST:
        return f"size {event.size} is not positive and finite"
    if event.side not in ("buy", "sell"):
        return f"side {event.side!r} is neither buy nor sell"
    return None if 0 < len(event.id) <= LONGEST else "no trade id, or one that is too long"


def kline_problem(event: Kline) -> str | None:
    """Prices in order (low <= open, close <= high), volumes not negative, and a start that is not after ``recv``."""
    low, high = event.low, event.high
    if not (0.0 < low <= event.open <= high < LARGEST and low <= event.close <= high):
        return f"open {event.open}, high {high}, low {low}, close {event.close} do not fit together"
    if not (0.0 <= event.volume < LARGEST and 0.0 <= event.turnover < LARGEST):
        return f"volume {event.volume} or turnover {event.turnover} is out of bounds"
    if not 0 < event.start <= min(event.recv + AHEAD, YEAR_2100 - 1):
        return f"start {event.start} is no time before recv"
    return None


PRICES = ("last", "mark", "index", "bid", "ask")
AMOUNTS = ("bid_size", "ask_size", "volume_24h", "turnover_24h", "open_interest")


def ticker_problem(event: Ticker) -> str | None:
    """What is there is in bounds. (A bid above the ask is not refused: the venue merges the two sides one by one.)"""
    for name in PRICES:
        price = getattr(event, name)
        if price is not None and not 0.0 < price < LARGEST:
            return f"{name} {price} is not positive and finite"
    for name in AMOUNTS:
        amount = getattr(event, name)
        if amount is not None and not 0.0 <= amount < LARGEST:
            return f"{name} {amount} is negative or not finite"
    return rate_problem(event.funding_rate, event.next_funding)


def funding_problem(event: Funding) -> str | None:
    """A finite rate."""
    return rate_problem(event.rate, event.next_funding)


def rate_problem(rate: float | None, next_funding: int | None) -> str | None:
    """A funding rate is a fraction: one of 100 % or more is no rate."""
    if rate is not None and not -1.0 < rate < 1.0:
        return f"funding rate {rate} is no fraction"
    if next_funding is not None and not 0 < next_funding < YEAR_2100:
        return f"next funding time {next_funding} is not between 1970 and 2100"
    return None


def gap_problem(event: Gap) -> str | None:
    """A span that ends after it begins."""
    if not 0 < event.start <= event.end < YEAR_2100:
        return f"gap from {event.start} to {event.end} is no span"
    return None


CHECKS: dict[type, Callable[[Any], str | None]] = {
    BookSnapshot: snapshot_problem,
    BookDelta: delta_problem,
    Trade: trade_problem,
    Kline: kline_problem,
    Ticker: ticker_problem,
    Funding: funding_problem,
    Gap: gap_problem,
}
