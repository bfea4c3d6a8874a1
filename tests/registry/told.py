"""What the table says of versions and of their changes."""

from typing import Any

from connectors.postgres import registry_versions as table
from learning.registries import versions
from learning.registries.where import Where


def actions(where: Where, version: str | None = None) -> list[tuple[Any, ...]]:
    """The record of changes, the oldest first."""
    rows = versions.history(where, version)[::-1]
    return [(row["action"], row["version"], row["previous_version"], row["changed_by"], row["reason"]) for row in rows]


def active(where: Where) -> list[str]:
    """The versions that the table says are active."""
    with where.database() as connection:
        return [row["version"] for row in table.versions(connection) if row["is_active"]]
