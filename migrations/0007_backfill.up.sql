-- History that was asked for: one row a job, which is worked off day by day and survives whoever works it off.
create table backfill_jobs (
    id uuid primary key,
    symbol varchar(50) not null,
    start_date date not null,
    end_date date not null,
    data_types text[] not null check (cardinality(data_types) > 0),
    refused jsonb not null default '{}',
    status varchar(20) not null default 'pending' check (status in ('pending', 'in_progress', 'completed', 'failed')),
    cancelled boolean not null default false,
    wanted varchar(20) check (wanted = 'cancel'),
    asked_by varchar(20) not null default 'person' check (asked_by in ('person', 'auto', 'dataset')),
    completed_dates date[] not null default '{}',
    failed_dates jsonb not null default '{}',
    at_date date,
    rows_saved bigint not null default 0,
    created_at timestamp not null default (now() at time zone 'utc'),
    started_at timestamp,
    ended_at timestamp,
    error_message text,
    trace_id varchar(100),
    check (start_date <= end_date)
);
create index idx_backfill_jobs_open on backfill_jobs (created_at, id) where status in ('pending', 'in_progress');
create index idx_backfill_jobs_symbol on backfill_jobs (symbol, created_at desc);
create index idx_backfill_jobs_created_at on backfill_jobs (created_at desc, id);
comment on table backfill_jobs is 'made by lockstep';
comment on column backfill_jobs.refused is 'by data type: why the exchange cannot be asked for it';
comment on column backfill_jobs.failed_dates is 'by date: what is missing of it, and why';
