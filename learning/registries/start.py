"""What is in force when an installation starts: what the log says, else the version that was active before, else the
one of the settings. And the file of an older installation, taken over once."""

from dataclasses import dataclass, field
from pathlib import Path

from connectors.activations import activate as announce
from connectors.log import Log
from connectors.postgres import registry_versions as table
from connectors.postgres.registry_rows import registry_rows
from connectors.postgres.registry_versions import Rows
from learning.registries.compare import compare
from learning.registries.errors import Invalid, UnknownVersion
from learning.registries.files import Read, read_text, version_in
from learning.registries.follow import follow
from learning.registries.mirror import mirror, restored, synchronise
from learning.registries.where import Where
from schemas.topics import EVENTS

WAIT = 10.0
"""Seconds to wait for somebody who is changing what is in force."""


@dataclass
class Started:
    """What is in force, and what a person should know of how that came."""

    version: str = ""
    warnings: list[str] = field(default_factory=list)


def start(where: Where, legacy: Path | None = None, from_table: bool = True) -> Started:
    """Find out what is in force, and say so on log and tables.

    On a log that has no event yet, the version that was active goes before that of the settings: an activation begins
    the log. Whoever wants another one activates it.

    Args:
        where: the installation.
        legacy: the single file of an older installation, taken over as a version where that was not done yet.
        from_table: whether the version that was active counts.

    Raises:
        UnknownVersion, Invalid: when the registry of the settings is needed and cannot be used.
        Busy: when somebody else is changing what is in force.
        LogError, psycopg.OperationalError: when log or database are away.
    """
    found = Started()
    with where.database() as connection, where.log() as (log, shards), where.alone("start", WAIT):
        first = take_over(where, connection, legacy, found) if legacy else None
        done = synchronise(connection, where.files, "start")
        found.warnings += [f"feature registry {version}: {problem}" for version in done.invalid
                           for problem in done.invalid[version][:1]]  # fmt: skip
        empty = all(log.end(EVENTS.name, shard) == 0 for shard in range(shards))
        if empty and (carried := (from_table and was_active(where, connection, found)) or first):
            _begin_with(where, connection, log, shards, carried)
        found.version = follow(where, connection, log, shards, starting=True).version
    return found


def was_active(where: Where, connection: Rows, found: Started) -> Read | None:
    """The version that was activated last, where it is not that of the settings and can be used."""
    row = table.active_row(connection)
    if not row or not row["activated_by"]:
        return None
    version = row["version"]
    if row["file_path"] and (now := version_in(Path(row["file_path"]))) and now != version:
        found.warnings.append(f"{row['file_path']} says it is {now}, where version {version} is active")
    try:
        file = restored(where.files, row)
        file.valid()
    except (UnknownVersion, Invalid) as error:
        found.warnings.append(f"{error}\nThe registry of the settings is in force instead of {version}.")
        return None
    if version == where.initial():
        return None
    found.warnings.append(
        f"feature registry {version} is active (by {row['activated_by']}: {row['activation_reason'] or 'no reason'}),"
        f" so {where.initial()} of the settings is not in force; lockstep registry activate puts another one in force"
    )
    return file


def take_over(where: Where, connection: Rows, legacy: Path, found: Started) -> Read | None:
    """Make a version of the single file of an older installation, once; None: it was done, or cannot be."""
    try:
        text = legacy.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found.warnings.append(f"FEATURE_REGISTRY_PATH={legacy} cannot be read: {error}")
        return None
    file = read_text(text, version_in(legacy) or legacy.stem, legacy)
    if file.registry is None:
        found.warnings.append(f"FEATURE_REGISTRY_PATH: {Invalid(str(legacy), file.problems)}")
        return None
    version = _free(where, file)
    if version is None:
        return None
    made = where.files.create(version, {**file.config, "version": version})
    with connection.transaction():
        mirror(connection, made, "migration")
        table.record(connection, version, "migrated", "lockstep", f"from {legacy}", sha256=made.sha256)
    found.warnings.append(f"{legacy} was taken over as feature registry {version}: {made.path}")
    return made


def _free(where: Where, file: Read) -> str | None:
    """The version that a file from elsewhere becomes: its own, or beside one of ours that is another; None: known."""
    for version in (file.version, f"{file.version}-legacy"):
        if version not in where.files.all():
            return version
        known = where.files.read(version).registry
        if known and file.registry and not (changes := compare(known, file.registry)).breaking and changes.same_names:
            return None
    return None


def _begin_with(where: Where, connection: Rows, log: Log, shards: int, file: Read) -> None:
    """Begin an empty log with an activation."""
    event = announce(
        log, shards, file.config, base=where.initial(), reason="in force before this log began", by="lockstep"
    )
    with connection.transaction():
        table.activated(connection, registry_rows(event))
