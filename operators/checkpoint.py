"""The stage that writes the state of the others to the log every few minutes of its time."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from operators.engine import Cursor, Stage, pack
from operators.spans import MINUTE
from operators.trading.quotes import Quotes
from schemas.checkpoint import Checkpoint
from schemas.market import Tick

EVERY = 5 * MINUTE
"""Log time between two checkpoints: what a rebuild repeats, beside one look-back."""
PART = 600_000
"""Bytes of a state in one record, which takes a third more of them in the log's megabyte: models may grow large."""


class CheckpointStage:
    """Stands last: when it sees a tick, every stage before it is done with the event.

    Args:
        cursor: names the records.
        quotes: where the clock is.
        stages: those whose state cannot be found again by looking back, in order.
    """

    layout = 1
    takes = frozenset({Tick})

    def __init__(self, cursor: Cursor, quotes: Quotes, stages: Sequence[Stage]) -> None:
        self.cursor = cursor
        self.quotes = quotes
        self.stages = [*stages, self]
        self.period = 0

    def feed(self, record: Any, out: list[Any]) -> None:
        """At the first tick of each period, add a checkpoint."""
        out.append(record)
        if type(record) is Tick and (period := self.quotes.clock // EVERY) > self.period:
            first, self.period = not self.period, period
            if not first:
                out += self._checkpoint()

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.period

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.period = state

    def _checkpoint(self) -> list[Checkpoint]:
        state = pack(self.stages)
        pieces = [state[at : at + PART] for at in range(0, len(state), PART)]
        whole, form, source = digest(state), layout(self.stages), f"events/{self.cursor.shard}"
        return [
            Checkpoint(source, self.quotes.clock, form, whole, piece, self.cursor.next(), part, len(pieces))
            for part, piece in enumerate(pieces)
        ]


def layout(stages: Sequence[Stage]) -> str:
    """Names stages and the form of their state, so that no other form is ever taken over."""
    return " ".join(f"{type(stage).__name__}/{stage.layout}" for stage in stages)


def digest(state: bytes) -> str:
    """What tells one state from any other, and a damaged one."""
    return blake2b(state, digest_size=16).hexdigest()
