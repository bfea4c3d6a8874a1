"""What a strategy would like to do, on its way through the gates."""

from typing import Any, Literal

import msgspec

from schemas.decision import Number
from schemas.market import Side


class Plan(msgspec.Struct, frozen=True):
    """An order as it is proposed. ``amount`` is quote currency and shrinks on the way; ``requested`` is what it was
    before. ``used`` names the features behind it. An ``exit`` closes what the strategy holds, by ``rule``."""

    side: Side
    amount: float
    confidence: float
    reason: str
    is_warmup: bool
    kind: Literal["entry", "exit"] = "entry"
    model_version: str | None = None
    requested: float | None = None
    rule: str | None = None
    used: tuple[str, ...] = ()
    details: dict[str, Any] = {}

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self.side == "buy" else -1

    def shrunk(self, amount: float) -> "Plan":
        """The same with a smaller amount, remembering the first."""
        requested = self.amount if self.requested is None else self.requested
        return msgspec.structs.replace(self, amount=amount, requested=requested)


class Idea(msgspec.Struct, frozen=True):
    """A plan, or why there is none, with the numbers behind it."""

    plan: Plan | None
    reason: str
    numbers: dict[str, Number]
