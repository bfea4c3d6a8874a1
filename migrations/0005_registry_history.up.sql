-- Feature registries under version control: what was created, activated, rolled back and deleted, by whom and why.
--
-- What is in force is an event on the log; its row here has an id that follows from the event's decision, so that the
-- activation is recorded once, whoever reads the event first. Times are UTC without a zone.
create table if not exists feature_registry_changes (
    id uuid primary key,
    version varchar(50) not null,
    action varchar(20) not null check (action in (
        'created', 'migrated', 'loaded', 'activated', 'rolled back', 'failed', 'deleted', 'synchronised'
    )),
    ts timestamp not null default (now() at time zone 'utc'),
    changed_by varchar(100) not null default '',
    reason text not null default '',
    previous_version varchar(50),
    log_time timestamp,
    begins timestamp,
    sha256 varchar(64),
    decision varchar(256),
    detail jsonb,
    written bigint generated always as identity
);
create index if not exists idx_feature_registry_changes_version on feature_registry_changes (version, written desc);
comment on table feature_registry_changes is
    'who changed which feature registry, when and why; log_time: the clock of the log; begins: the first second of '
    'vectors of that version';

alter table feature_registry_versions add column if not exists sha256 varchar(64);
