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
