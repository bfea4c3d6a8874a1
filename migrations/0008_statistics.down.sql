-- Tables that another system made stay, with every row, and lose what we added; those that we made go.
drop index idx_api_endpoint_metrics_created_at;
drop index idx_feature_computation_metrics_created_at;

do $$
declare
    name text;
begin
    foreach name in array array['api_endpoint_metrics', 'feature_computation_metrics'] loop
        if obj_description(to_regclass(name)) = 'made by lockstep' then
            execute format('drop table %I', name);
        end if;
    end loop;
    if to_regclass('feature_computation_metrics') is not null then
        alter table feature_computation_metrics
            drop column if exists computations, drop column if exists latency_ms_p95,
            drop column if exists latency_ms_max;
    end if;
end $$;
