"""Alerts about models: each is raised once."""

from collections.abc import Iterator
from typing import Any

from learning.governor.actions import Raise, decision
from learning.governor.degradation import Measure, measures
from learning.governor.evidence import Evidence
from learning.governor.force import Held, Key
from schemas.governance import AlertKind, Level, ModelAlert
from schemas.quality import QualityRecord
from schemas.strategy import Strategy

LEVELS: dict[str, Level] = {"model.degraded": "warning", "model.fell": "critical", "model.refused": "critical"}


class Alarms:
    """What was raised, as the log says, and what should be."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.counts: dict[tuple[str, str], int] = {}
        """Alerts by strategy and kind."""
        self._known: dict[str, ModelAlert] = {}
        self._newest: dict[tuple[str, str, str], ModelAlert] = {}
        self._refused: list[QualityRecord] = []

    def feed(self, alert: ModelAlert) -> None:
        """Take an alert that is on the log."""
        self._known[alert.decision] = alert
        self.counts[alert.strategy, alert.kind] = self.counts.get((alert.strategy, alert.kind), 0) + 1
        if alert.kind in ("model.degraded", "model.recovered"):
            self._newest[alert.strategy, alert.version or "", alert.measure] = alert

    def refused(self, record: QualityRecord) -> None:
        """Take the word of a shard that could not use a model."""
        self._refused.append(record)

    def refusals(self) -> Iterator[Raise]:
        """Somebody has to see to the files of models that could not be used."""
        for record in self._refused:
            detail = record.detail
            strategy, version = str(detail["strategy"]), str(detail.get("model", ""))
            name = decision("refused", strategy, version, record.origin.header().decode())
            text = f"{version}: {detail.get('reason', 'it cannot be used')}"
            key = strategy, record.symbol
            yield from self.raised("model.refused", key, version, name, "", text, record.ts, dict(detail))

    def worse(self, settings: Strategy, key: Key, champion: Held, now: int) -> Iterator[Raise]:
        """That the champion got worse by a measure, or is well again."""
        strategy, symbol = key
        marks, trades = self.evidence.of(strategy, champion.version), self.evidence.trades.get(strategy)
        tested = self.evidence.tested(strategy, champion.version)
        for found in measures(settings, champion, marks, trades, tested, symbol):
            before = self._newest.get((strategy, champion.version, found.name))
            begun = before is not None and before.kind == "model.degraded" and before.ts >= champion.since
            if kind := _kind(found, begun):
                because = found.name, symbol, champion.decision or champion.since, before.decision if before else ""
                name = decision(kind, strategy, champion.version, *because)
                limit = f"below {found.least:.1%}" if found.degraded else f"no longer below {found.recovers:.1%}"
                text = f"{champion.version}: {found.says}, {limit}"
                numbers = {"value": found.value, "least": found.least, "samples": found.samples}
                yield from self.raised(kind, key, champion.version, name, found.name, text, now, numbers)

    def raised(
        self,
        kind: AlertKind,
        key: Key,
        version: str | None,
        name: str,
        measure: str,
        message: str,
        ts: int,
        detail: dict[str, Any] | None = None,
    ) -> Iterator[Raise]:
        """An alert, unless it is on the log already."""
        if name not in self._known:
            level = LEVELS.get(kind, "info")
            strategy, symbol = key
            yield Raise(
                ModelAlert(strategy, ts, kind, level, name, message, version, symbol or None, measure, detail or {})
            )


def _kind(found: Measure, begun: bool) -> AlertKind | None:
    if found.degraded and not begun:
        return "model.degraded"
    return "model.recovered" if found.well and begun else None
