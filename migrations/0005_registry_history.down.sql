drop table if exists feature_registry_changes;
alter table feature_registry_versions drop column if exists sha256;
