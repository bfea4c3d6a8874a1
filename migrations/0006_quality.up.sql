-- How good the data are: every minute of every symbol, what went wrong and when, and reports over a period.
--
-- data_quality_reports and data_quality_metrics have the names and types that other services and dashboards read. In a
-- shared database they may exist already, made by another system's migrations: then they keep their columns, and
-- data_quality_metrics gets one more. The comment on a table that we made tells the way back that it may go.
do $$
begin
    if to_regclass('data_quality_reports') is null then
        create table data_quality_reports (
            id uuid primary key default gen_random_uuid(),
            symbol varchar(50) not null,
            period_start timestamp not null,
            period_end timestamp not null,
            missing_rate numeric(5, 4) not null check (missing_rate >= 0 and missing_rate <= 1),
            anomaly_rate numeric(5, 4) not null check (anomaly_rate >= 0 and anomaly_rate <= 1),
            sequence_gaps integer not null default 0 check (sequence_gaps >= 0),
            desynchronization_events integer not null default 0 check (desynchronization_events >= 0),
            anomaly_details jsonb,
            sequence_gap_details jsonb,
            recommendations text[],
            created_at timestamp not null default (now() at time zone 'utc'),
            check (period_start < period_end)
        );
        create index idx_data_quality_reports_symbol on data_quality_reports (symbol);
        create index idx_data_quality_reports_period on data_quality_reports (period_start, period_end);
        create index idx_data_quality_reports_created_at on data_quality_reports (created_at desc);
        comment on table data_quality_reports is 'made by lockstep';
    end if;

    if to_regclass('data_quality_metrics') is null then
        create table data_quality_metrics (
            id uuid primary key default gen_random_uuid(),
            symbol varchar(50) not null,
            metric_timestamp timestamp not null,
            missing_rate numeric(5, 4) not null check (missing_rate >= 0 and missing_rate <= 1),
            anomaly_rate numeric(5, 4) not null check (anomaly_rate >= 0 and anomaly_rate <= 1),
            data_completeness_rate numeric(5, 4) not null
                check (data_completeness_rate >= 0 and data_completeness_rate <= 1),
            sequence_gaps_count integer default 0,
            desynchronization_events_count integer default 0,
            trace_id varchar(100),
            created_at timestamp not null default (now() at time zone 'utc')
        );
        create index idx_data_quality_metrics_metric_timestamp on data_quality_metrics (metric_timestamp desc);
        create index idx_data_quality_metrics_symbol on data_quality_metrics (symbol);
        comment on table data_quality_metrics is 'made by lockstep';
    end if;
end $$;

alter table data_quality_metrics add column if not exists detail jsonb;
create index idx_data_quality_metrics_symbol_minute on data_quality_metrics (symbol, metric_timestamp);
create index idx_data_quality_metrics_created_at on data_quality_metrics using brin (created_at);

create table quality_records (
    id uuid primary key,
    symbol varchar(50) not null,
    ts timestamp not null,
    problem varchar(50) not null,
    detail jsonb not null,
    origin varchar(60) not null,
    created_at timestamp not null default (now() at time zone 'utc')
);
create index idx_quality_records_symbol_ts on quality_records (symbol, ts desc);
create index idx_quality_records_created_at on quality_records using brin (created_at);
comment on table quality_records is 'what went wrong with the data, and when it was right again';
