"""What a strategy decided, and why: also, and above all, when it decided not to trade."""

from typing import Any, Literal

import msgspec

from schemas.market import Side
from schemas.origin import Origin

Number = float | int | str | bool | None
Kind = Literal["entry", "exit", "mode"]
Outcome = Literal["signal", "skip", "changed"]


class Decision(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="decision"):
    """One decision of one strategy about one symbol at ``ts`` on the shard's clock (microseconds UTC).

    ``step`` names the gate or exit rule that decided, ``reason`` says it for people, and ``numbers`` holds what it was
    decided on. ``gates`` lists the gates that were passed before, each with its numbers. A ``signal`` has the id of the
    signal it became; ``changed`` tells of a change of mode or settings.
    """

    strategy: str
    symbol: str
    ts: int
    kind: Kind
    outcome: Outcome
    step: str
    reason: str
    numbers: dict[str, Number]
    trace_id: str
    origin: Origin
    side: Side | None = None
    signal_id: str | None = None
    model_version: str | None = None
    gates: list[dict[str, Any]] = []
