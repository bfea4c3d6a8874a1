"""``is_active`` and ``feature_registry_changes``: which feature registry is in force, as the log says it."""

from uuid import uuid5

from connectors.postgres.columns import Row, json, moment
from schemas.origin import NAMESPACE
from schemas.registry import RegistryActivated

LONGEST = 50
"""Characters of a version in the tables of this and other services."""

ACTIVATED = """
with news as (
    insert into feature_registry_changes
        (id, version, action, changed_by, reason, previous_version, log_time, begins, sha256, decision)
    values (%(id)s, %(version)s, %(action)s, %(changed_by)s, %(reason)s, %(previous)s, %(log_time)s, %(begins)s,
        %(sha256)s, %(decision)s)
    on conflict (id) do nothing returning version
), retired as (
    update feature_registry_versions set is_active = false
    where is_active and version <> %(version)s and exists (select from news)
)
insert into feature_registry_versions as known
    (version, config, is_active, validated_at, loaded_at, created_at, created_by, activated_by, activation_reason,
    previous_version, rollback_from, sha256)
select version, %(config)s, true, now() at time zone 'utc', now() at time zone 'utc', now() at time zone 'utc',
    %(changed_by)s, %(changed_by)s, %(reason)s, case when %(rollback)s then null else %(previous)s end,
    case when %(rollback)s then %(previous)s end, %(sha256)s
from news
on conflict (version) do update
    set config = excluded.config, is_active = true, loaded_at = excluded.loaded_at, sha256 = excluded.sha256,
        activated_by = excluded.activated_by, activation_reason = excluded.activation_reason,
        rollback_from = excluded.rollback_from, validation_errors = null,
        previous_version = case when %(rollback)s or %(previous)s = known.version then known.previous_version
            else excluded.previous_version end
"""
"""In one statement, and once for every decision: the change is recorded, the old version off, the new one on. After a
return the version before the one that is back stays what it was: what was left does not come back by another return."""


def registry_rows(event: RegistryActivated) -> list[Row]:
    """What an activation makes of the tables, whoever reads it, and however often.

    Raises:
        ValueError: when the version is too long for the tables.
    """
    if len(event.version) > LONGEST:
        raise ValueError(f"feature registry version {event.version[:LONGEST]!r}... has more than {LONGEST} characters")
    row = {
        "id": uuid5(NAMESPACE, f"registry/{event.decision or event.recv}"),
        "version": event.version,
        "action": "rolled back" if event.rollback else "activated",
        "changed_by": event.by[:100],
        "reason": event.reason,
        "previous": event.previous[:LONGEST] or None,
        "log_time": moment(event.recv),
        "begins": moment(event.at),
        "sha256": event.sha256,
        "decision": event.decision,
        "config": json(event.config),
        "rollback": event.rollback,
    }
    return [Row(ACTIVATED, row)]
