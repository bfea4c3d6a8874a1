"""How long files of models are kept. Rows stay for ever: they are small, and a version is never used again.

A replay of a time in which an archived model was in force finds no file and lets warm-up decide, loudly: restore the
version first.
"""

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import psycopg

from learning.registry.health import archive_path

KEEP = 100
"""So many of the newest versions of each strategy keep their files, whatever the policy."""
Policy = Literal["archive", "remove"]
VERSIONS = """
select version, coalesce(strategy_id, '') as strategy, is_active from model_versions
order by strategy, trained_at desc, created_at desc, version desc
"""
PREDECESSORS = """
select distinct on (strategy_id, asset, after) before from model_changes
where role = 'champion' and before is not null
    and after in (select version from model_versions where is_active)
order by strategy_id, asset, after, ts desc
"""
IN_FORCE = "select version from models_in_force where version is not null"
IN_SHADOW = """
select after from (
    select distinct on (strategy_id, asset, coalesce(after, before)) after from model_changes where role = 'shadow'
    order by strategy_id, asset, coalesce(after, before), ts desc
) newest where after is not null
"""


class Kept(NamedTuple):
    """What a clean-up did: versions whose files went into an archive, and those whose files are gone."""

    archived: list[str]
    removed: list[str]


def retain(connection: psycopg.Connection, root: Path, policy: Policy = "archive", keep: int = KEEP) -> Kept:
    """Put away the files of versions beyond the newest ``keep`` of their strategy.

    Never those of a model that is in force or in shadow, nor of the one that was in force before it.

    Raises:
        ValueError: for fewer than ``KEEP``.
    """
    if keep < KEEP:
        raise ValueError(f"keep={keep}: at least {KEEP} versions of each strategy are kept")
    done = Kept([], [])
    for version in old_versions(connection, keep):
        if not (root / version).is_dir():
            continue
        if policy == "archive":
            archive(root, version)
            done.archived.append(version)
        else:
            shutil.rmtree(root / version)
            done.removed.append(version)
    return done


def old_versions(connection: psycopg.Connection, keep: int = KEEP) -> list[str]:
    """Those whose files may go, the newest first within a strategy."""
    spared = protected(connection)
    counts: dict[str, int] = {}
    found = []
    for version, strategy, active in connection.execute(VERSIONS).fetchall():
        counts[strategy] = counts.get(strategy, 0) + 1
        if counts[strategy] > keep and not active and version not in spared:
            found.append(version)
    return found


def protected(connection: psycopg.Connection) -> set[str]:
    """Versions that are or were just now at work."""
    queries = (PREDECESSORS, IN_FORCE, IN_SHADOW)
    return {version for query in queries for (version,) in connection.execute(query).fetchall()}


def archive(root: Path, version: str) -> Path:
    """Put a version's folder into a tar file and remove it; the archive appears whole."""
    path = archive_path(root, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with tarfile.open(fresh, "w") as tar:
        for file in _files(root / version):
            tar.add(file, arcname=file.relative_to(root).as_posix(), recursive=False)
    fresh.replace(path)
    shutil.rmtree(root / version)
    return path


def restore(root: Path, version: str) -> Path:
    """Bring an archived version back; its folder.

    Raises:
        FileNotFoundError: when there is no such archive.
    """
    with tarfile.open(archive_path(root, version)) as tar:
        tar.extractall(root, filter="data")
    archive_path(root, version).unlink()
    return root / version


def _files(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
