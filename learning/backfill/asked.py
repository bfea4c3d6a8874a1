"""What may be asked for: which symbol, which days, which raw types."""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from connectors.history.kinds import RAW_TYPES, RawType, parted, types_for
from operators.features.perpetual import PERPETUAL
from operators.registry import Registry

EARLIEST = date(2010, 1, 1)
SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9-]{1,29}")


class Unfit(ValueError):
    """A backfill that cannot be done as it was asked for; the message says why, and what can be."""


class Wanted(NamedTuple):
    """A backfill that can be done: days from ``start`` to ``end``, both included."""

    symbol: str
    start: date
    end: date
    data_types: list[RawType]
    refused: dict[RawType, str]

    @property
    def dates(self) -> list[date]:
        """Every day, in order."""
        return [self.start + timedelta(days=day) for day in range((self.end - self.start).days + 1)]


def sources_of(registry: Registry, names: Collection[str] = ()) -> frozenset[str]:
    """What the features of a registry read; with ``names`` those alone.

    Ticker and funding stand in for each other: an entry that names one of them needs no more.
    """
    needed: set[str] = set()
    for entry in registry.entries:
        if names and entry.name not in names:
            continue
        named: set[str] = set(entry.input_sources)
        spare = set(PERPETUAL) if named & set(PERPETUAL) else set()
        needed |= named | (set(entry.feature.sources) - spare)
    return frozenset(needed)


def needed_types(registry: Registry) -> list[RawType]:
    """The raw types that the features of a registry are made of (contracts: features 12)."""
    return types_for(sources_of(registry))


def check(
    symbol: str,
    start: date,
    end: date,
    data_types: Sequence[str] | None,
    registry: Registry | None,
    today: date,
    max_days: int,
) -> Wanted:
    """Check a backfill.

    Args:
        symbol: our name.
        start: first day.
        end: last day, included.
        data_types: what is wanted; None: what the features of ``registry`` need.
        registry: the one in force.
        today: the day of UTC that it is.
        max_days: the most days of one job.

    Raises:
        Unfit: naming everything that is wrong.
    """
    problems = [*_wrong_span(symbol, start, end, today, max_days), *_unknown(data_types)]
    asked = list(data_types) if data_types is not None else needed_types(registry) if registry else []
    offered, refused = parted(asked)
    if data_types is not None:
        problems += [f"data_types: {raw} cannot be fetched: {reason}" for raw, reason in refused.items()]
    if not offered and not problems:
        why = "; ".join(f"{raw}: {reason}" for raw, reason in refused.items()) or "its features read no market data"
        problems.append(f"data_types: nothing that feature registry {_name(registry)} needs can be fetched ({why})")
    if problems:
        raise Unfit("the backfill cannot be done: " + "; ".join(problems))
    return Wanted(symbol, start, end, offered, refused)


def _wrong_span(symbol: str, start: date, end: date, today: date, max_days: int) -> Iterable[str]:
    if not SYMBOL.fullmatch(symbol):
        yield f"symbol: {symbol!r} is none; say a name such as BTCUSDT"
    if start > end:
        yield f"start_date {start} lies after end_date {end}"
    if start < EARLIEST:
        yield f"start_date {start} lies before {EARLIEST}: no exchange has candles of then"
    if end > today:
        yield f"end_date {end} lies in the future: today is {today} (UTC)"
    days = (end - start).days + 1
    if days > max_days:
        yield f"{days} days are more than FEATURE_SERVICE_BACKFILL_MAX_DAYS, {max_days}: ask for shorter spans"


def _unknown(data_types: Sequence[str] | None) -> Iterable[str]:
    if data_types is not None and not data_types:
        yield "data_types: name at least one, or leave it out"
    for raw in data_types or ():
        if raw not in RAW_TYPES:
            yield f"data_types: {raw!r} is none of {', '.join(RAW_TYPES)}"


def _name(registry: Registry | None) -> str:
    return registry.version if registry else "(none)"
