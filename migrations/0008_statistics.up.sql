-- How long vectors took and how the API answered: what dashboards read.
--
-- feature_computation_metrics holds one row for each symbol, interval and minute, made of every vector of that minute
-- that closed the interval: latency_ms is their mean, the columns behind created_at say more. Both tables have the names
-- and types that other services and dashboards read. In a shared database they may exist already: then they keep their
-- columns, and the first gets three more. The comment on a table that we made tells the way back that it may go.
do $$
begin
    if to_regclass('feature_computation_metrics') is null then
        create table feature_computation_metrics (
            id uuid primary key default gen_random_uuid(),
            symbol varchar(20) not null,
            computation_timestamp timestamp not null,
            latency_ms numeric(10, 3) not null,
            feature_registry_version varchar(50) not null,
            computation_interval varchar(10) not null check (computation_interval in ('1s', '3s', '15s', '1m')),
            features_count integer not null,
            error_count integer default 0,
            trace_id varchar(100),
            created_at timestamp not null default (now() at time zone 'utc')
        );
        create index idx_feature_computation_metrics_computation_timestamp
            on feature_computation_metrics (computation_timestamp desc);
        create index idx_feature_computation_metrics_symbol on feature_computation_metrics (symbol);
        create index idx_feature_computation_metrics_feature_registry_version
            on feature_computation_metrics (feature_registry_version);
        comment on table feature_computation_metrics is 'made by lockstep';
    end if;

    if to_regclass('api_endpoint_metrics') is null then
        create table api_endpoint_metrics (
            id uuid primary key default gen_random_uuid(),
            endpoint varchar(200) not null,
            method varchar(10) not null,
            response_time_ms numeric(10, 3) not null,
            status_code integer not null,
            symbol varchar(20),
            request_timestamp timestamp not null,
            trace_id varchar(100),
            created_at timestamp not null default (now() at time zone 'utc')
        );
        create index idx_api_endpoint_metrics_request_timestamp on api_endpoint_metrics (request_timestamp desc);
        create index idx_api_endpoint_metrics_endpoint on api_endpoint_metrics (endpoint);
        create index idx_api_endpoint_metrics_method on api_endpoint_metrics (method);
        create index idx_api_endpoint_metrics_status_code on api_endpoint_metrics (status_code);
        comment on table api_endpoint_metrics is 'made by lockstep';
    end if;
end $$;

alter table feature_computation_metrics
    add column if not exists computations integer not null default 1,
    add column if not exists latency_ms_p95 numeric(10, 3),
    add column if not exists latency_ms_max numeric(10, 3);
create index idx_feature_computation_metrics_created_at on feature_computation_metrics using brin (created_at);
create index idx_api_endpoint_metrics_created_at on api_endpoint_metrics using brin (created_at);
