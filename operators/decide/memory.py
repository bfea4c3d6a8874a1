"""What the stage keeps of one strategy and symbol."""

from dataclasses import dataclass, field
from typing import Any

from operators.decide.bucket import Bucket
from schemas.decision import Number
from schemas.market import Side


@dataclass
class Memory:
    """``told`` is what the last mode decision said, ``choice`` the last outcome of the automatic selection of assets;
    ``last_ts`` and ``last_side`` are the vector and the side of the last signal."""

    bucket: Bucket
    told: dict[str, Number] = field(default_factory=dict)
    choice: str = ""
    last_ts: int | None = None
    last_side: Side | None = None

    def signalled(self, ts: int, side: Side, clock: int) -> None:
        """A signal of the vector at ``ts`` went out."""
        self.bucket.take(clock)
        self.last_ts, self.last_side = ts, side

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.bucket.snapshot(), self.told, self.choice, self.last_ts, self.last_side

    @classmethod
    def restore(cls, state: Any) -> "Memory":
        """The inverse of ``snapshot``."""
        bucket, *rest = state
        return cls(Bucket.restore(bucket), *rest)
