"""One change of what is in force: checked, compared, tried, announced on every shard, and recorded."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.activations import Superseded
from connectors.activations import activate as announce
from connectors.log import Log
from connectors.postgres import registry_versions as table
from connectors.postgres.registry_rows import registry_rows
from connectors.postgres.registry_versions import Rows
from learning.registries import scripts
from learning.registries.answers import Answers, ends
from learning.registries.compare import Comparison, compare
from learning.registries.errors import (
    ActivationFailed,
    Busy,
    NotAcknowledged,
    Rollback,
)
from learning.registries.files import Read, schema_of
from learning.registries.follow import follow
from learning.registries.heard import unavailable
from learning.registries.mirror import mirror
from learning.registries.trial import Trial, attempt
from learning.registries.where import Where
from operators.registry import Registry
from schemas.registry import RegistryActivated


@dataclass(frozen=True)
class Activated:
    """A version that is in force.

    ``begins`` is the first second of its vectors, microseconds UTC; None where it was in force already. ``migrated``:
    vectors have other names than before. ``confirmed``: every shard of a running flow said that it uses it.
    """

    version: str
    previous: str | None
    begins: int | None
    migrated: bool = False
    warnings: list[str] = field(default_factory=list)
    breaking: list[str] = field(default_factory=list)
    confirmed: bool = False


@dataclass(frozen=True)
class Wanted:
    """What is asked for, by whom and why. ``back``: it is a return, which nobody needs to acknowledge."""

    by: str
    reason: str = ""
    acknowledge: bool = False
    back: bool = False


class Activation:
    """One change of what is in force; made while alone.

    ``seen`` is the activation that was the newest when somebody asked: whoever comes second is told.
    """

    def __init__(self, where: Where, connection: Rows, log: Log, shards: int, seen: str | None) -> None:
        self.where = where
        self.connection = connection
        self.log = log
        self.shards = shards
        if table.newest_activation(connection) != seen:
            raise Busy("another version was activated meanwhile: look at what it changed, then try again")
        self.now = follow(where, connection, log, shards)

    def put(self, file: Read, script: str | None, wanted: Wanted) -> Activated:
        """Put what a file says in force.

        Raises:
            Invalid: when it is refused.
            NotAcknowledged: when it breaks what relies on the one before.
            ActivationFailed: when it could not be put in force; the one before is.
            Busy: when another activation came first.
        """
        with self.connection.transaction():
            mirror(self.connection, file, wanted.by, script)
        registry = file.valid()
        if (file.version, file.sha256) == (self.now.version, self.now.sha256):
            table.checked(self.connection, file.version, [])
            return Activated(file.version, self._previous(), None, warnings=["it is in force already"])
        comparison = self._compared(file, registry, script, wanted)
        trial = self._tried(file, registry, wanted)
        warnings = [*comparison.warnings, *self._warnings(file, registry, trial)]
        table.compared(
            self.connection, file.version, warnings, comparison.breaking, str(file.path)[-500:], schema_of(registry)
        )
        if comparison.breaking and not (wanted.acknowledge or wanted.back):
            raise NotAcknowledged(file.version, self.now.version, comparison.breaking, warnings)
        answers = Answers(self.log, self.shards, ends(self.log, self.shards))
        event = self._announced(file, wanted)
        detail = _detail(comparison, warnings, trial)
        self._written(event, file, registry, warnings, comparison.breaking, detail)
        confirmed = self._confirmed(event, answers, wanted)
        migrated = not comparison.same_names
        return Activated(file.version, self.now.version, event.at, migrated, warnings, comparison.breaking, confirmed)

    def _compared(self, file: Read, registry: Registry, script: str | None, wanted: Wanted) -> Comparison:
        """Against what is in force, with the renames that the version's script declares."""
        before = self.now.registry
        try:
            renames = {} if wanted.back else scripts.renames_of(script)
            if renames:
                scripts.check(renames, before, registry)
        except scripts.ScriptError as error:
            raise self._failed(file.version, f"its migration failed: {error}", wanted) from None
        if before is None:
            return Comparison(self.now.version, file.version)
        return compare(before, registry, renames)

    def _tried(self, file: Read, registry: Registry, wanted: Wanted) -> Trial:
        """Its first computation, before anybody relies on it."""
        trial = attempt(self.log, self.shards, registry)
        if trial.problem:
            raise self._failed(file.version, f"its trial computation failed: {trial.problem}", wanted)
        return trial

    def _warnings(self, file: Read, registry: Registry, trial: Trial) -> list[str]:
        found = [*file.warnings, *unavailable(self.log, self.shards, registry, self.where.symbols)]
        if not trial.vectors:
            found.append("the log has no vectors to try it on")
        elif trial.unknown:
            known = "" if trial.complete else "; their look-back is not all there"
            found.append(f"no value in {trial.vectors} trial vectors: {', '.join(trial.unknown)}{known}")
        names = {entry.name for entry in registry.entries}
        for model in table.models_in_use(self.connection):
            if missing := [name for name in model["features"] if name not in names]:
                found.append(f"model {model['version']} of {model['strategy_id']} looks at {', '.join(missing)}")
        return found

    def _announced(self, file: Read, wanted: Wanted) -> RegistryActivated:
        try:
            return announce(
                self.log,
                self.shards,
                file.config,
                base=self.where.initial(),
                expected=self.now.version,
                rollback=wanted.back,
                reason=wanted.reason,
                by=wanted.by,
            )
        except Superseded as error:
            raise Busy(str(error)) from None

    def _written(
        self,
        event: RegistryActivated,
        file: Read,
        registry: Registry,
        warnings: Sequence[str],
        breaking: Sequence[str],
        detail: dict[str, Any],
    ) -> None:
        """Rows of an event that stands on the log, in one transaction."""
        with self.connection.transaction():
            table.activated(self.connection, registry_rows(event))
            table.compared(
                self.connection, event.version, warnings, breaking, str(file.path)[-500:], schema_of(registry)
            )
            table.explain(self.connection, event.decision, detail)

    def _confirmed(self, event: RegistryActivated, answers: Answers, wanted: Wanted) -> bool:
        """Wait for what the shards of a running flow say; where one refuses, return to the version before."""
        if not answers.expected(self.where):
            return False
        if not (problem := answers.refusal(event.decision)):
            return answers.complete(event.decision)
        back = announce(
            self.log,
            self.shards,
            self.now.config,
            base=self.where.initial(),
            expected=event.version,
            rollback=True,
            reason=f"{event.version} was refused: {problem}"[:200],
            by="lockstep",
        )
        with self.connection.transaction():
            table.activated(self.connection, registry_rows(back))
        raise self._failed(event.version, f"a shard refused it: {problem}", wanted)

    def _failed(self, version: str, problem: str, wanted: Wanted) -> ActivationFailed:
        """Record that the version before stays, and say so."""
        table.record(
            self.connection, version, "failed", wanted.by, problem, self.now.version, detail={"asked": wanted.reason}
        )
        return ActivationFailed(Rollback(version, self.now.version, problem, time.time_ns() // 1_000))

    def _previous(self) -> str | None:
        row = table.active_row(self.connection)
        return row["previous_version"] if row else None


def _detail(comparison: Comparison, warnings: Sequence[str], trial: Trial) -> dict[str, Any]:
    return {
        "breaking_changes": comparison.breaking,
        "compatibility_warnings": list(warnings),
        "renamed": dict(comparison.renamed),
        "trial": {"events": trial.events, "vectors": trial.vectors, "seconds": round(trial.seconds, 3)},
    }
