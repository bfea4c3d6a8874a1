-- A table that another system made only loses the column that we added.
do $$
begin
    if obj_description(to_regclass('feature_registry_versions')) = 'made by lockstep' then
        drop table feature_registry_versions;
    else
        alter table feature_registry_versions drop column if exists file_path;
    end if;
end $$;
