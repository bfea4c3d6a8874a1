-- Tables that another system made stay, with every row; those that we made go.
drop table refused_records;
drop table read_positions;
drop table strategy_settings;
drop table position_events;
drop table order_events;
drop table decisions;

do $$
declare
    name text;
begin
    foreach name in array array['position_states', 'execution_events', 'trading_signals'] loop
        if obj_description(to_regclass(name)) = 'made by lockstep' then
            execute format('drop table %I', name);
        end if;
    end loop;
end $$;
