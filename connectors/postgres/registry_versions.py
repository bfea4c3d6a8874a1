"""``feature_registry_versions``: what is known of each version of a feature registry, and the record of changes.

The functions take an open connection; whoever needs several of them at once opens a transaction. Rows are mappings by
column, so the connection's row factory is ``dict_row``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from connectors.postgres.columns import Row as Statement

Row = dict[str, Any]
Rows = Connection[Row]

COLUMNS = """
select version, config, is_active, validated_at, loaded_at, created_at, validation_errors, compatibility_warnings,
    breaking_changes, created_by, activated_by, rollback_from, previous_version, schema_version, migration_script,
    activation_reason, file_path, sha256
from feature_registry_versions
"""
SYNCHRONISED = """
insert into feature_registry_versions as known
    (version, config, validated_at, created_at, created_by, validation_errors, file_path, sha256, schema_version,
    migration_script)
values (%(version)s, %(config)s, now() at time zone 'utc', now() at time zone 'utc', %(by)s, %(errors)s,
    %(file)s, %(sha256)s, %(schema)s, %(script)s)
on conflict (version) do update
    set validation_errors = excluded.validation_errors, file_path = excluded.file_path,
        config = case when excluded.validation_errors is null and not known.is_active
            then excluded.config else known.config end,
        sha256 = case when excluded.validation_errors is null and not known.is_active
            then excluded.sha256 else known.sha256 end,
        schema_version = coalesce(excluded.schema_version, known.schema_version),
        validated_at = now() at time zone 'utc',
        migration_script = coalesce(excluded.migration_script, known.migration_script)
"""
CHECKED = """
update feature_registry_versions set validated_at = now() at time zone 'utc', validation_errors = %(errors)s
where version = %(version)s returning validated_at
"""
COMPARED = """
update feature_registry_versions set compatibility_warnings = %(warnings)s, breaking_changes = %(breaking)s,
    file_path = coalesce(%(file)s, file_path), schema_version = %(schema)s, validated_at = now() at time zone 'utc'
where version = %(version)s
"""
LOADED = """
update feature_registry_versions set is_active = (version = %(version)s),
    loaded_at = case when version = %(version)s then now() at time zone 'utc' else loaded_at end,
    config = case when version = %(version)s then %(config)s else config end,
    sha256 = case when version = %(version)s then %(sha256)s else sha256 end,
    activated_by = case when version = %(version)s then null else activated_by end,
    previous_version = case when version = %(version)s then coalesce(
        (select version from feature_registry_versions where is_active and version <> %(version)s limit 1),
        previous_version) else previous_version end
where version = %(version)s or is_active
"""
CHANGED = """
insert into feature_registry_changes (id, version, action, changed_by, reason, previous_version, sha256, detail)
values (gen_random_uuid(), %(version)s, %(action)s, %(by)s, %(reason)s, %(previous)s, %(sha256)s, %(detail)s)
"""
EXPLAINED = "update feature_registry_changes set detail = %(detail)s where decision = %(decision)s"
CHANGES = """
select version, action, ts, changed_by, reason, previous_version, log_time, begins, sha256, decision, detail
from feature_registry_changes where %(version)s::text is null or version = %(version)s
order by written desc limit %(limit)s
"""
NEWEST = """
select decision from feature_registry_changes where action in ('activated', 'rolled back') order by written desc limit 1
"""
MODELS = """
select version, strategy_id, training_config->'features' as features from model_versions
where is_active and jsonb_typeof(training_config->'features') = 'array' order by version
"""
DATASETS = """
select id::text as dataset_id, status from datasets
where feature_registry_version = %(version)s and status in ('building', 'ready') order by created_at desc, id
"""
COUNTS = """
select feature_registry_version as version, count(*) as datasets from datasets
where status in ('building', 'ready') group by 1
"""
ALONE = "lock table feature_registry_versions in share row exclusive mode"
"""Held by whoever moves ``is_active``: at every moment at most one version is active."""


def versions(connection: Rows) -> list[Row]:
    """Every row, the newest first."""
    return connection.execute(COLUMNS + " order by created_at desc, version desc").fetchall()


def version_row(connection: Rows, version: str) -> Row | None:
    """The row of a version; None where there is none."""
    return connection.execute(COLUMNS + " where version = %(version)s", {"version": version}).fetchone()


def active_row(connection: Rows) -> Row | None:
    """The row of the active version."""
    return connection.execute(COLUMNS + " where is_active order by loaded_at desc nulls last limit 1").fetchone()


def synchronise(
    connection: Rows,
    version: str,
    config: Mapping[str, Any],
    sha256: str,
    errors: Sequence[str],
    file: str | None,
    schema: str | None,
    by: str,
    script: str | None = None,
) -> None:
    """Give a version's row what its file says.

    ``config`` stays what was valid last; that of the active version stays what is in force, until it is activated anew.
    """
    params = {
        "version": version,
        "config": Jsonb(dict(config)),
        "sha256": sha256,
        "errors": list(errors) or None,
        "file": file,
        "schema": schema,
        "by": by[:100],
        "script": script,
    }
    connection.execute(SYNCHRONISED, params)


def checked(connection: Rows, version: str, errors: Sequence[str]) -> Any:
    """Note that a version was checked; when."""
    row = connection.execute(CHECKED, {"version": version, "errors": list(errors) or None}).fetchone()
    return row["validated_at"] if row else None


def compared(
    connection: Rows, version: str, warnings: Sequence[str], breaking: Sequence[str], file: str | None, schema: str
) -> None:
    """Note what an activation changes for readers."""
    params = {"version": version, "warnings": list(warnings), "breaking": list(breaking), "file": file}
    connection.execute(COMPARED, {**params, "schema": schema})


def loaded(connection: Rows, version: str, config: Mapping[str, Any], sha256: str) -> None:
    """Make a version active, whose row there is, that is in force without an activation of now: that of the settings,
    or what a log says that was not the one in use before."""
    connection.execute(ALONE)
    connection.execute(LOADED, {"version": version, "config": Jsonb(dict(config)), "sha256": sha256})


def activated(connection: Rows, statements: Sequence[Statement]) -> bool:
    """Write activations (see ``registry_rows``); whether any was news."""
    connection.execute(ALONE)
    return sum(connection.execute(row.statement, row.params).rowcount for row in statements) > 0


def record(
    connection: Rows,
    version: str,
    action: str,
    by: str,
    reason: str = "",
    previous: str | None = None,
    sha256: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add to the record of changes; activations are added by ``activated``."""
    params = {"version": version, "action": action, "by": by[:100], "reason": reason, "previous": previous}
    connection.execute(CHANGED, {**params, "sha256": sha256, "detail": Jsonb(dict(detail or {}))})


def explain(connection: Rows, decision: str, detail: Mapping[str, Any]) -> None:
    """Add to an activation's record what only its author knows."""
    connection.execute(EXPLAINED, {"decision": decision, "detail": Jsonb(dict(detail))})


def newest_activation(connection: Rows) -> str | None:
    """The decision of the activation that was recorded last."""
    row = connection.execute(NEWEST).fetchone()
    return row["decision"] if row else None


def changes(connection: Rows, version: str | None = None, limit: int = 100) -> list[Row]:
    """The record of changes, the newest first."""
    return connection.execute(CHANGES, {"version": version, "limit": limit}).fetchall()


def datasets(connection: Rows, version: str) -> list[Row]:
    """The datasets that are, or are being, built with a version."""
    return connection.execute(DATASETS, {"version": version}).fetchall()


def dataset_counts(connection: Rows) -> dict[str, int]:
    """How many datasets there are of each version."""
    return {row["version"]: row["datasets"] for row in connection.execute(COUNTS).fetchall()}


def models_in_use(connection: Rows) -> list[Row]:
    """The active models, with the names of the features that they look at."""
    return connection.execute(MODELS).fetchall()


def remove(connection: Rows, version: str) -> bool:
    """Delete a version's row unless it is active; whether it was there."""
    deleted = connection.execute(
        "delete from feature_registry_versions where version = %(version)s and not is_active", {"version": version}
    )
    return deleted.rowcount > 0
