"""``models_in_force``, ``is_active`` and ``model_changes``: which model is in force, as the log says it.

Nobody else moves ``is_active``, so that table and log cannot come apart.
"""

from connectors.postgres.columns import Row, moment, upsert
from schemas.model import ModelActivated, ModelChange

IN_FORCE = """
insert into models_in_force (strategy_id, asset, version, sha256, since, reason, changed_by)
values (%(strategy_id)s, %(asset)s, %(version)s, %(sha256)s, %(since)s, %(reason)s, %(changed_by)s)
on conflict (strategy_id, asset) do update
    set version = excluded.version, sha256 = excluded.sha256, since = excluded.since, reason = excluded.reason,
        changed_by = excluded.changed_by, written = default
"""
RETIRE = """
update model_versions set is_active = false, updated_at = now() at time zone 'utc'
where strategy_id = %(strategy_id)s and is_active and version is distinct from (
    select version from models_in_force where strategy_id = %(strategy_id)s and version is not null
    order by written desc limit 1
)
"""
INSTALL = """
update model_versions set is_active = true, updated_at = now() at time zone 'utc'
where strategy_id = %(strategy_id)s and not is_active and version = (
    select version from models_in_force where strategy_id = %(strategy_id)s and version is not null
    order by written desc limit 1
)
"""
CHANGED = upsert(
    "model_changes",
    "id",
    (
        "id", "strategy_id", "asset", "ts", "role", "before", "after", "usable", "problem", "reason", "changed_by",
        "shard", "origin",
    ),
)  # fmt: skip


def activation_rows(event: ModelActivated) -> list[Row]:
    """What an activation makes of the tables: what is in force, then the old version off, then the new one on.

    The table allows one active version a strategy; where symbols have different ones it is the one activated last.
    """
    row = {
        "strategy_id": event.strategy,
        "asset": event.symbol or "",
        "version": event.version,
        "sha256": event.sha256,
        "since": moment(event.recv),
        "reason": event.reason,
        "changed_by": event.by,
    }
    return [Row(IN_FORCE, row), *mirror_rows(event.strategy)]


def mirror_rows(strategy: str) -> list[Row]:
    """Give ``is_active`` of a strategy's versions the value that follows from what is in force."""
    params = {"strategy_id": strategy}
    return [Row(RETIRE, params), Row(INSTALL, params)]


def change_rows(change: ModelChange) -> list[Row]:
    """What a shard made of a model event; the id follows from its origin."""
    row = {
        "id": change.origin.uuid("model.change"),
        "strategy_id": change.strategy,
        "asset": change.symbol,
        "ts": moment(change.ts),
        "role": change.role,
        "before": change.before,
        "after": change.after,
        "usable": change.usable,
        "problem": change.problem,
        "reason": change.reason,
        "changed_by": change.by,
        "shard": change.origin.shard,
        "origin": change.origin.header().decode(),
    }
    return [Row(CHANGED, row)]
