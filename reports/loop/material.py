"""What the page of a learning loop is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from reports.bar import PriceBar
from reports.payments import Payment
from schemas.account import Execution
from schemas.model import ModelChange, ModelRecord
from schemas.prediction import Outcome
from schemas.strategy import Strategy

NoteKind = Literal[
    "warmup", "asked", "trained", "failed", "shadow", "dismissed", "promoted", "signal", "market", "drift", "fallback"
]


class Note(msgspec.Struct, frozen=True):
    """Something that happened at ``ts``, microseconds UTC."""

    ts: int
    kind: NoteKind
    text: str
    version: str | None = None


@dataclass
class Material:
    """One strategy that learns, beside others that may not, on one symbol between two times (microseconds UTC).

    Everything in the order in which it happened. ``signals`` counts entry and exit signals by strategy and model
    (None: warm-up). ``cash`` is what the symbol's account began with; ``facts`` say what was run.
    """

    settings: Strategy
    symbol: str
    start: int
    end: int
    cash: float
    notes: Sequence[Note] = ()
    changes: Sequence[ModelChange] = ()
    outcomes: Sequence[Outcome] = ()
    models: Sequence[ModelRecord] = ()
    executions: Sequence[Execution] = ()
    bars: Sequence[PriceBar] = ()
    payments: Sequence[Payment] = ()
    signals: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
