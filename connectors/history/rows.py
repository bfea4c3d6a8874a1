"""Fetched rows as they stand in the history of one shard, with ticks where nothing else moves the clock."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from connectors.history.files import BackfillFiles
from connectors.history.spans import DAY, MINUTE, Span
from schemas.codec import encode
from schemas.market import Tick
from schemas.topics import shard_of

ORDER = ("tick", "book.snapshot", "book.delta", "trade", "ticker", "funding", "kline")
"""Of rows that were known at the same time: a tick first, for there the clock can be trusted."""
PLACE = {tag: place for place, tag in enumerate(ORDER)}


class Row(NamedTuple):
    """One row of the history: when it was known, its place among those of the same time, whose it is, the message."""

    recv: int
    place: int
    symbol: str
    value: bytes


def rows_of(files: BackfillFiles, shard: int, shards: int, symbols: Iterable[str], window: Span) -> list[Row]:
    """The fetched rows of a shard that were known in [start, end), in their order.

    They count as heard at their own time: the mark ``backfilled`` means that something was delivered late.

    Raises:
        BadFile: when a file cannot be read.
    """
    ours = [symbol for symbol in sorted(symbols) if shard_of(symbol, shards) == shard]
    tags = [tag for tag in files.tags() if tag in PLACE]
    asked = Span(max(0, window.start - DAY), window.end)
    found = [
        Row(event.recv, PLACE[tag], symbol, encode(heard(event)))
        for symbol in ours
        for tag in tags
        for event in files.events(tag, symbol, asked)
        if window.start <= event.recv < window.end
    ]
    return sorted(found)


def heard(event: Any) -> Any:
    """The row without its mark."""
    return msgspec.structs.replace(event, backfilled=False) if getattr(event, "backfilled", False) else event


def tick(recv: int) -> Row:
    """A tick among the rows."""
    return Row(recv, PLACE["tick"], "", encode(Tick(recv)))


def ticks(rows: Sequence[Row], before: int | None, after: int | None) -> list[Row]:
    """The ticks that a run of rows needs between what was heard at ``before`` and ``after`` (None: nothing was).

    One a minute from the first row to a minute behind the last, so that its last seconds are closed too; and one where
    what was heard goes on, which would count as dated in the future otherwise.
    """
    if not rows or (before is not None and after is not None and after - before <= MINUTE):
        return []
    low = rows[0].recv if before is None else max(before + 1, rows[0].recv)
    high = rows[-1].recv + MINUTE if after is None else min(after - 1, rows[-1].recv + MINUTE)
    found = [tick(recv) for recv in range(-(-low // MINUTE) * MINUTE, high + 1, MINUTE)]
    if before is not None and rows[0].recv % MINUTE:
        found.insert(0, tick(rows[0].recv))
    return found if after is None else [*found, tick(after)]
