-- Which feature registries were loaded, when, and which one is in use.
--
-- In a shared database this table may exist already, made by another system's migrations: then it keeps its columns and
-- gets one more. The comment on a table that we made tells the way back that it may go. The file is the source of
-- truth, config a copy of what was loaded.
do $$
begin
    if to_regclass('feature_registry_versions') is null then
        create table feature_registry_versions (
            version varchar(50) primary key,
            config jsonb not null,
            is_active boolean not null default false,
            validated_at timestamp,
            loaded_at timestamp,
            created_at timestamp not null default now(),
            validation_errors text[],
            compatibility_warnings text[],
            breaking_changes text[],
            created_by varchar(100),
            activated_by varchar(100),
            rollback_from varchar(50),
            previous_version varchar(50),
            schema_version varchar(50),
            migration_script text,
            activation_reason text
        );
        create index idx_feature_registry_versions_is_active
            on feature_registry_versions (is_active) where is_active;
        create index idx_feature_registry_versions_created_at
            on feature_registry_versions (created_at desc);
        create index idx_feature_registry_versions_previous_version
            on feature_registry_versions (previous_version);
        comment on table feature_registry_versions is 'made by lockstep';
    end if;
end $$;

alter table feature_registry_versions add column if not exists file_path varchar(500);
