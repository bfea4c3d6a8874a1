"""Why there were signals, and above all why there were none."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from schemas.decision import Decision


class Reasons:
    """Counts decisions by strategy, kind, outcome and the gate or rule that decided.

    >>> from schemas.origin import Origin
    >>> reasons = Reasons()
    >>> reasons.add(Decision("calm", "BTCUSDT", 1, "entry", "skip", "rate", "too soon", {}, "t", Origin(0, 1, 0)))
    >>> reasons.total, reasons.skips()
    (1, {'rate': 1})
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str, str]] = Counter()

    def add(self, decision: Decision) -> None:
        """Count one."""
        self.counts[decision.strategy, decision.kind, decision.outcome, decision.step] += 1

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> "Reasons":
        """Count all of them."""
        reasons = cls()
        for decision in decisions:
            reasons.add(decision)
        return reasons

    @property
    def total(self) -> int:
        return self.counts.total()

    def of_strategy(self, strategy: str) -> int:
        """How many decisions were one strategy's."""
        return sum(count for (owner, *_), count in self.counts.items() if owner == strategy)

    def skips(self, strategy: str | None = None) -> dict[str, int]:
        """How often each gate said no, the most frequent first."""
        return self._by_step("skip", strategy)

    def signals(self, strategy: str | None = None) -> dict[str, int]:
        """How often each rule made a signal, the most frequent first."""
        return self._by_step("signal", strategy)

    def outcomes(self) -> dict[str, int]:
        """How many decisions had each outcome."""
        found: Counter[str] = Counter()
        for (_, _, outcome, _), count in self.counts.items():
            found[outcome] += count
        return dict(sorted(found.items()))

    def rows(self) -> list[dict[str, Any]]:
        """Everything that was counted, in a fixed order."""
        names = ("strategy", "kind", "outcome", "step")
        return [dict(zip(names, key, strict=True)) | {"count": self.counts[key]} for key in sorted(self.counts)]

    def _by_step(self, outcome: str, strategy: str | None) -> dict[str, int]:
        found: Counter[str] = Counter()
        for (owner, _, what, step), count in self.counts.items():
            if what == outcome and strategy in (None, owner):
                found[step] += count
        return dict(sorted(found.items(), key=lambda row: (-row[1], row[0])))
