-- Tables that another system made stay, with every row, and lose what we added; those that we made go.
drop table quality_records;
drop index idx_data_quality_metrics_created_at;
drop index idx_data_quality_metrics_symbol_minute;

do $$
declare
    name text;
begin
    foreach name in array array['data_quality_metrics', 'data_quality_reports'] loop
        if obj_description(to_regclass(name)) = 'made by lockstep' then
            execute format('drop table %I', name);
        end if;
    end loop;
    if to_regclass('data_quality_metrics') is not null then
        alter table data_quality_metrics drop column if exists detail;
    end if;
end $$;
