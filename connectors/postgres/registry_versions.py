"""The record, in the database, of which feature registry is in use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

LOADED = """
insert into feature_registry_versions
    (version, config, is_active, validated_at, loaded_at, created_at, created_by, file_path, previous_version)
values (%(version)s, %(config)s, true, %(now)s, %(now)s, %(now)s, 'lockstep', %(file)s, %(previous)s)
on conflict (version) do update
    set config = excluded.config, is_active = true, validated_at = excluded.validated_at,
        loaded_at = excluded.loaded_at, file_path = excluded.file_path, validation_errors = null,
        previous_version = coalesce(excluded.previous_version, feature_registry_versions.previous_version)
"""


RETIRED = """
update feature_registry_versions set is_active = false where is_active and version <> %s returning version
"""


def record_loaded(url: str, version: str, config: Mapping[str, Any], file: Path | str) -> None:
    """Note that the valid registry ``version`` was loaded from ``file`` and is now the one in use.

    Repeating it only renews the times. At every moment at most one version is active.
    """
    with psycopg.connect(url, connect_timeout=10) as connection:
        connection.execute("lock table feature_registry_versions in share row exclusive mode")
        now = connection.execute("select now() at time zone 'utc'").fetchone()
        active = connection.execute(
            RETIRED,
            [version],
        ).fetchone()
        connection.execute(
            LOADED,
            {
                "version": version,
                "config": Jsonb(dict(config)),
                "now": now[0] if now else None,
                "file": str(file),
                "previous": active[0] if active else None,
            },
        )
