"""Quality records: what went wrong with the data, and when it was right again."""

from typing import Literal

import msgspec

from schemas.origin import Origin

Problem = Literal[
    "book.desynchronised",
    "book.synchronised",
    "book.crossed",
    "keyframe.mismatch",
    "gap",
    "trade.duplicate",
    "trade.spike",
    "trade.volume",
    "candle.impossible",
    "book.empty",
    "channel.stale",
    "channel.heard",
    "clock.skew",
    "candle.hole",
    "position.silent",
    "position.mismatch",
    "position.heard",
    "strategy.failed",
    "model.drift",
    "model.refused",
    "model.failed",
    "model.reset",
]


class QualityRecord(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="quality"):
    """One observation about one symbol at ``ts`` on the shard's clock. ``detail`` holds the numbers behind it."""

    symbol: str
    ts: int
    problem: Problem
    detail: dict[str, int | float | str]
    origin: Origin


class ChannelMinute(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one channel of one symbol did in a minute: numbers of events, times in microseconds.

    ``expected`` is how many seconds (candles: minutes) should have been heard from, ``missing`` how many of them were
    not; 0 of 0 where nothing can be expected. ``late`` came out of order, by the exchange's time. ``silence`` is the
    longest time without an event.
    """

    received: int = 0
    expected: int = 0
    missing: int = 0
    duplicates: int = 0
    late: int = 0
    gaps: int = 0
    anomalies: int = 0
    silence: int = 0


class QualityMinute(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="quality.minute"):
    """How good the data of one symbol were in the minute that ended at ``ts`` on the shard's clock.

    ``desynchronised`` counts the times the book was lost, ``blind`` is for how many microseconds it was; ``anomalies``
    counts them by kind, and ``skew`` is the largest recv - ts seen (microseconds, signed).
    """

    symbol: str
    ts: int
    channels: dict[str, ChannelMinute]
    origin: Origin
    desynchronised: int = 0
    blind: int = 0
    anomalies: dict[str, int] = {}
    skew: int = 0
