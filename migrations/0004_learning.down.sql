-- Tables that another system made stay, with every row, and lose what we added; those that we made go.
drop table model_scores;
drop table predictions;
drop table model_changes;
drop table models_in_force;
drop table dataset_building_metrics;

alter table execution_events drop constraint if exists execution_events_training;

do $$
declare
    name text;
begin
    foreach name in array array['datasets', 'model_quality_metrics', 'model_versions'] loop
        if obj_description(to_regclass(name)) = 'made by lockstep' then
            execute format('drop table %I', name);
        end if;
    end loop;
    if to_regclass('datasets') is not null then
        alter table datasets drop column if exists metadata, drop column if exists priority;
    end if;
end $$;
