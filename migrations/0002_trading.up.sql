-- What strategies decided and what became of it: signals, decisions, orders, executions, positions.
--
-- trading_signals, execution_events and position_states have the names and types that other services and dashboards
-- read. In a shared database they exist already, made by another system's migrations, and are left as they are; the
-- comment on a table that we made tells the way back that it may go. The other tables are ours alone.
--
-- training_id of execution_events refers to model_versions; the reference is added with that table.
do $$
begin
    if to_regclass('trading_signals') is null then
        create table trading_signals (
            id uuid primary key default gen_random_uuid(),
            signal_id uuid not null unique,
            strategy_id varchar(100) not null,
            asset varchar(50) not null,
            side varchar(10) not null check (side in ('buy', 'sell')),
            price numeric(20, 8) not null check (price > 0),
            confidence numeric(5, 4) check (confidence is null or (confidence >= 0 and confidence <= 1)),
            timestamp timestamp not null,
            model_version varchar(50),
            is_warmup boolean not null default false,
            market_data_snapshot jsonb,
            metadata jsonb,
            trace_id varchar(100),
            created_at timestamp not null default now()
        );
        create index idx_trading_signals_signal_id on trading_signals (signal_id);
        create index idx_trading_signals_strategy_id on trading_signals (strategy_id);
        create index idx_trading_signals_asset on trading_signals (asset);
        create index idx_trading_signals_timestamp on trading_signals (timestamp desc);
        create index idx_trading_signals_asset_timestamp on trading_signals (asset, timestamp desc);
        create index idx_trading_signals_strategy_timestamp on trading_signals (strategy_id, timestamp desc);
        comment on table trading_signals is 'made by lockstep';
    end if;

    if to_regclass('execution_events') is null then
        create table execution_events (
            id uuid primary key default gen_random_uuid(),
            signal_id uuid not null,
            strategy_id varchar(100) not null,
            asset varchar(50) not null,
            side varchar(10) not null check (side in ('buy', 'sell')),
            execution_price numeric(20, 8) not null check (execution_price > 0),
            execution_quantity numeric(20, 8) not null check (execution_quantity > 0),
            execution_fees numeric(20, 8) not null check (execution_fees >= 0),
            executed_at timestamp not null,
            signal_price numeric(20, 8) not null,
            signal_timestamp timestamp not null,
            performance jsonb not null,
            created_at timestamp not null default now(),
            used_for_training boolean not null default false,
            training_id uuid
        );
        create index idx_execution_events_executed_at on execution_events (executed_at desc);
        create index idx_execution_events_signal_id on execution_events (signal_id);
        create index idx_execution_events_strategy_id on execution_events (strategy_id);
        create index idx_execution_events_strategy_executed_at on execution_events (strategy_id, executed_at desc);
        create index idx_execution_events_used_for_training on execution_events (used_for_training, strategy_id);
        comment on table execution_events is 'made by lockstep';
    end if;

    if to_regclass('position_states') is null then
        create table position_states (
            asset varchar(20) primary key,
            entry_price numeric(20, 8) not null check (entry_price > 0),
            entry_time timestamp not null,
            peak_price numeric(20, 8) not null check (peak_price > 0),
            highest_unrealized_pnl numeric(20, 8) not null default 0,
            last_exit_signal_time timestamp,
            created_at timestamp not null default now(),
            updated_at timestamp not null default now()
        );
        create index idx_position_states_entry_time on position_states (entry_time);
        create index idx_position_states_updated_at on position_states (updated_at);
        comment on table position_states is 'made by lockstep';
    end if;
end $$;

create table decisions (
    id uuid primary key,
    strategy_id varchar(100) not null,
    asset varchar(50) not null,
    ts timestamp not null,
    kind varchar(20) not null,
    outcome varchar(20) not null,
    step varchar(100) not null,
    reason text not null,
    side varchar(10),
    numbers jsonb not null,
    gates jsonb not null,
    signal_id uuid,
    model_version varchar(100),
    trace_id varchar(100) not null,
    origin varchar(60) not null,
    created_at timestamp not null default (now() at time zone 'utc')
);
create index idx_decisions_ts on decisions (ts desc);
create index idx_decisions_strategy_ts on decisions (strategy_id, ts desc);
create index idx_decisions_asset_ts on decisions (asset, ts desc);
create index idx_decisions_signal_id on decisions (signal_id) where signal_id is not null;
create index idx_decisions_created_at on decisions using brin (created_at);

create table order_events (
    id uuid primary key,
    order_id varchar(256) not null,
    signal_id uuid,
    strategy_id varchar(256),
    asset varchar(256) not null,
    side varchar(10) not null,
    order_type varchar(20) not null,
    status varchar(20) not null,
    quantity double precision not null,
    filled double precision not null,
    price double precision,
    average_price double precision,
    fees double precision not null,
    reduce_only boolean not null,
    maker boolean,
    reason text not null,
    ts timestamp not null,
    source varchar(256) not null,
    trace_id varchar(256),
    place varchar(100) not null,
    created_at timestamp not null default (now() at time zone 'utc')
);
create index idx_order_events_ts on order_events (ts desc);
create index idx_order_events_order_id on order_events (order_id, ts);
create index idx_order_events_signal_id on order_events (signal_id) where signal_id is not null;

create table position_events (
    id uuid primary key,
    asset varchar(256) not null,
    ts timestamp not null,
    size double precision not null,
    entry double precision,
    realized_pnl double precision,
    unrealized_pnl double precision,
    source varchar(256) not null,
    trace_id varchar(256),
    place varchar(100) not null,
    created_at timestamp not null default (now() at time zone 'utc')
);
create index idx_position_events_asset_ts on position_events (asset, ts desc);

create table strategy_settings (
    id uuid primary key,
    strategy_id varchar(100) not null,
    ts timestamp not null,
    enabled boolean not null,
    settings jsonb not null,
    changed_by varchar(256) not null,
    place varchar(100) not null,
    created_at timestamp not null default (now() at time zone 'utc')
);
create index idx_strategy_settings_strategy_ts on strategy_settings (strategy_id, ts desc);

create table read_positions (
    log varchar(500) not null,
    topic varchar(250) not null,
    shard integer not null,
    position bigint not null,
    last_offset bigint,
    last_checksum bigint,
    state jsonb not null default '{}',
    updated_at timestamp not null default (now() at time zone 'utc'),
    primary key (log, topic, shard)
);
comment on table read_positions is 'how far each shard was stored; written together with the rows it stands for';

create table refused_records (
    log varchar(500) not null,
    topic varchar(250) not null,
    shard integer not null,
    "offset" bigint not null,
    reason text not null,
    value bytea,
    created_at timestamp not null default (now() at time zone 'utc'),
    primary key (log, topic, shard, "offset")
);
