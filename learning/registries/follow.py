"""The table follows the log: what is in force is what the newest activation says, whoever was killed after writing it.

Called by whoever is alone (``Where.alone``). ``lockstep persist`` writes the same rows as it reads the events.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.activations import complete, standing
from connectors.log import Log
from connectors.postgres import registry_versions as table
from connectors.postgres.registry_rows import registry_rows
from connectors.postgres.registry_versions import Rows
from learning.registries.errors import RegistriesError
from learning.registries.files import read_config
from learning.registries.mirror import mirror
from learning.registries.where import Where
from operators.registry import Registry
from schemas.topics import EVENTS


@dataclass(frozen=True)
class InForce:
    """A registry that is in force; ``activated``: by an event on this log, else as the one of the settings."""

    version: str
    config: dict[str, Any]
    sha256: str
    activated: bool

    @property
    def registry(self) -> Registry | None:
        """The registry; None where today's code refuses it."""
        return read_config(self.config, self.version, Path(f"{self.version} as activated")).registry


def follow(where: Where, connection: Rows, log: Log, shards: int, starting: bool = False) -> InForce:
    """Complete an activation that stands in some shards only, and give the tables what the log says.

    ``starting``: a flow is about to read the file of the settings again.

    Raises:
        LogError: when the log cannot be used.
        UnknownVersion, Invalid: when the log has no activation, and the registry of the settings cannot be used.
    """
    complete(log, shards)
    placed = standing(log, 0, log.end(EVENTS.name, 0))
    if not placed:
        return settle(where, connection, starting)
    rows = [row for place in placed for row in registry_rows(place.event)]
    newest = placed[-1].event
    found = InForce(newest.version, newest.config, newest.sha256, activated=True)
    with connection.transaction():
        table.activated(connection, rows)
        _correct(connection, found, "the log says so")
    return found


def settle(where: Where, connection: Rows, starting: bool) -> InForce:
    """Nothing was ever activated on this log: what the settings name is in force, as its file was at the start.

    Raises:
        UnknownVersion, Invalid: when that cannot be used.
    """
    version, active = where.initial(), table.active_row(connection)
    if active and active["version"] == version and active["sha256"] and not starting:
        return InForce(version, active["config"], active["sha256"], activated=False)
    file = where.files.read(version)
    file.valid()
    found = InForce(version, file.config, file.sha256, activated=False)
    with connection.transaction():
        mirror(connection, file, "lockstep")
        _correct(connection, found, "the settings name it, and the log has no activation")
    return found


def _correct(connection: Rows, found: InForce, reason: str) -> None:
    """Where the tables were about another log: make what is in force the active one."""
    active = table.active_row(connection)
    if active and (active["version"], active["sha256"]) == (found.version, found.sha256):
        return
    if table.version_row(connection, found.version) is None:
        raise RegistriesError(
            f"feature registry {found.version} is in force, and has no row: run lockstep registry sync"
        )
    table.loaded(connection, found.version, found.config, found.sha256)
    previous = active["version"] if active else None
    table.record(connection, found.version, "loaded", "lockstep", reason, previous, found.sha256)
