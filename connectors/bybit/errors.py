"""What goes wrong when Bybit is asked for market data."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from schemas.market import AnyMarketEvent

Kind = Literal["klines", "funding", "trades", "ticker", "orderbook_snapshots", "orderbook_deltas"]
"""Kinds of data, as the backfill interface names them."""
Span = tuple[int, int]
"""[start, end) in microseconds UTC."""

_NAMED = 5


class RestError(Exception):
    """Bybit did not give what was asked; the message says what, why, and what to do.

    ``retry_in`` is how many seconds Bybit wants to be left alone, where it says so.
    """

    def __init__(self, message: str, retry_in: float | None = None) -> None:
        super().__init__(message)
        self.retry_in = retry_in


class MissingRows(RestError):
    """Bybit answers, but some rows are not among what it gives: neither invented nor passed over in silence.

    ``missing`` says which, as spans in order; ``found`` is everything else of what was asked, oldest first.
    """

    def __init__(self, kind: Kind, symbol: str, missing: Sequence[Span], found: Sequence[AnyMarketEvent]) -> None:
        self.kind = kind
        self.symbol = symbol
        self.missing = list(missing)
        self.found = list(found)
        super().__init__(
            f"Bybit gives no {kind} of {symbol} for {said(self.missing)}, however often it is asked;"
            f" {len(self.found)} others came: try again later, or go on without them"
        )


class Passing(Exception):
    """A failure that may be gone in a moment; ``wait`` is how many seconds Bybit asks for, where it does."""

    def __init__(self, problem: str, wait: float | None = None) -> None:
        super().__init__(problem)
        self.wait = wait


def said(spans: Sequence[Span]) -> str:
    """Spans for a person, the first few by name.

    >>> said([(1_700_000_040_000_000, 1_700_000_160_000_000)])
    '2023-11-14 22:14:00 to 22:16:00 UTC'
    """
    named = [_said(span) for span in spans[:_NAMED]]
    more = f" and {len(spans) - _NAMED} more spans" if len(spans) > _NAMED else ""
    return ", ".join(named) + more


def _said(span: Span) -> str:
    start, end = (datetime.fromtimestamp(time / 1e6, UTC) for time in span)
    last = f"{end:%H:%M:%S}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} to {last} UTC"
