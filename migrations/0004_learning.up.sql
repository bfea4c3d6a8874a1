-- What was learned: versions of models and how good they are, datasets and how they were built, what was foretold and
-- what came of it, and which model was in force when.
--
-- model_versions, model_quality_metrics and datasets have the names and types that other services and dashboards read.
-- In a shared database they exist already, made by another system's migrations: then they keep their columns, datasets
-- gets two more, and execution_events the reference that it was meant to have. The comment on a table that we made
-- tells the way back that it may go. The other tables are ours alone.
do $$
begin
    if to_regclass('model_versions') is null then
        create table model_versions (
            id uuid primary key default gen_random_uuid(),
            version varchar(50) not null unique check (version ~ '^v[0-9]+(\.[0-9]+)?$'),
            file_path varchar(500) not null check (file_path like '/models/%'),
            model_type varchar(50) not null
                check (model_type in ('xgboost', 'random_forest', 'logistic_regression', 'sgd_classifier')),
            strategy_id varchar(100),
            trained_at timestamp not null default now(),
            training_duration_seconds integer,
            training_dataset_size integer,
            training_config jsonb,
            is_active boolean not null default false,
            is_warmup_mode boolean not null default false,
            created_at timestamp not null default now(),
            updated_at timestamp not null default now()
        );
        create index idx_model_versions_version on model_versions (version);
        create index idx_model_versions_strategy_id on model_versions (strategy_id);
        create index idx_model_versions_trained_at on model_versions (trained_at desc);
        create unique index idx_model_versions_one_active on model_versions (strategy_id, is_active) where is_active;
        comment on table model_versions is 'made by lockstep';
    end if;

    if to_regclass('model_quality_metrics') is null then
        create table model_quality_metrics (
            id uuid primary key default gen_random_uuid(),
            model_version_id uuid not null references model_versions (id) on delete cascade,
            metric_name varchar(100) not null,
            metric_value numeric(20, 8) not null,
            metric_type varchar(50) not null
                check (metric_type in ('classification', 'regression', 'trading_performance')),
            evaluated_at timestamp not null default now(),
            evaluation_dataset_size integer,
            metadata jsonb,
            check (metric_type <> 'classification' or (metric_value >= 0 and metric_value <= 1))
        );
        create index idx_model_quality_metrics_model_version_id on model_quality_metrics (model_version_id);
        create index idx_model_quality_metrics_metric_name on model_quality_metrics (metric_name);
        create index idx_model_quality_metrics_evaluated_at on model_quality_metrics (evaluated_at desc);
        comment on table model_quality_metrics is 'made by lockstep';
    end if;

    if to_regclass('datasets') is null then
        create table datasets (
            id uuid primary key default gen_random_uuid(),
            symbol varchar(20) not null,
            status varchar(20) not null default 'building' check (status in ('building', 'ready', 'failed')),
            split_strategy varchar(50) not null check (split_strategy in ('time_based', 'walk_forward')),
            train_period_start timestamp,
            train_period_end timestamp,
            validation_period_start timestamp,
            validation_period_end timestamp,
            test_period_start timestamp,
            test_period_end timestamp,
            walk_forward_config jsonb,
            target_config jsonb not null,
            feature_registry_version varchar(50) not null,
            train_records integer default 0,
            validation_records integer default 0,
            test_records integer default 0,
            output_format varchar(20) not null default 'parquet',
            storage_path varchar(500),
            created_at timestamp not null default now(),
            completed_at timestamp,
            estimated_completion timestamp,
            error_message text,
            check (train_period_start is null or train_period_start < train_period_end),
            check (validation_period_start is null or validation_period_start < validation_period_end),
            check (test_period_start is null or test_period_start < test_period_end)
        );
        create index idx_datasets_symbol on datasets (symbol);
        create index idx_datasets_status on datasets (status);
        create index idx_datasets_created_at on datasets (created_at desc);
        comment on table datasets is 'made by lockstep';
    end if;

    -- Rows may name a training that nobody knows any more: the reference holds for those to come.
    if not exists (
        select from pg_constraint
        where conrelid = 'execution_events'::regclass and confrelid = 'model_versions'::regclass and contype = 'f'
    ) then
        alter table execution_events add constraint execution_events_training
            foreign key (training_id) references model_versions (id) on delete set null not valid;
    end if;
end $$;

alter table datasets add column if not exists metadata jsonb;
alter table datasets add column if not exists priority integer not null default 0;

create table dataset_building_metrics (
    id uuid primary key default gen_random_uuid(),
    dataset_id uuid not null,
    symbol varchar(20) not null,
    build_started_at timestamp not null,
    build_completed_at timestamp,
    build_status varchar(20) not null check (build_status in ('building', 'ready', 'failed')),
    build_duration_seconds integer,
    records_count integer,
    train_records integer,
    validation_records integer,
    test_records integer,
    feature_registry_version varchar(50) not null,
    split_strategy varchar(50),
    trace_id varchar(100),
    created_at timestamp not null default now()
);
create index idx_dataset_building_metrics_build_started_at on dataset_building_metrics (build_started_at desc);
create index idx_dataset_building_metrics_dataset_id on dataset_building_metrics (dataset_id);
create index idx_dataset_building_metrics_symbol on dataset_building_metrics (symbol);
create index idx_dataset_building_metrics_build_status on dataset_building_metrics (build_status);

create table models_in_force (
    strategy_id varchar(100) not null,
    asset varchar(50) not null,
    version varchar(50),
    sha256 varchar(64) not null,
    since timestamp not null,
    reason text not null,
    changed_by varchar(256) not null,
    written bigint generated always as identity,
    primary key (strategy_id, asset)
);
comment on table models_in_force is
    'what the log said last of each strategy and asset (empty: all of them); no version: warm-up; is_active follows it';

create table model_changes (
    id uuid primary key,
    strategy_id varchar(100) not null,
    asset varchar(50),
    ts timestamp not null,
    role varchar(20) not null,
    before varchar(50),
    after varchar(50),
    usable boolean not null,
    problem text not null,
    reason text not null,
    changed_by varchar(256) not null,
    shard integer not null,
    origin varchar(60) not null,
    created_at timestamp not null default (now() at time zone 'utc')
);
create index idx_model_changes_strategy_ts on model_changes (strategy_id, ts desc);
comment on table model_changes is 'what each shard made of an activation or a shadow';

create table predictions (
    id uuid primary key,
    strategy_id varchar(100) not null,
    asset varchar(50) not null,
    ts timestamp not null,
    model_version varchar(50) not null,
    role varchar(20) not null,
    horizon integer,
    threshold double precision,
    price double precision not null,
    probabilities jsonb not null,
    label smallint not null,
    confidence double precision,
    side varchar(10),
    origin varchar(60) not null,
    matured timestamp,
    later double precision,
    change double precision,
    outcome smallint,
    created_at timestamp not null default (now() at time zone 'utc')
);
create index idx_predictions_strategy_ts on predictions (strategy_id, ts desc);
create index idx_predictions_model_ts on predictions (model_version, ts desc);
create index idx_predictions_created_at on predictions using brin (created_at);
comment on table predictions is 'what was foretold; from matured on what came of it, null while nobody knows';

create table model_scores (
    id uuid primary key,
    strategy_id varchar(100) not null,
    asset varchar(50) not null,
    ts timestamp not null,
    model_version varchar(50) not null,
    role varchar(20) not null,
    samples integer not null,
    accuracy double precision not null,
    majority double precision not null,
    log_loss double precision not null,
    brier double precision not null,
    calibration double precision not null,
    roc_auc double precision,
    learned bigint not null,
    origin varchar(60) not null,
    created_at timestamp not null default (now() at time zone 'utc')
);
create index idx_model_scores_model_ts on model_scores (model_version, ts desc);
create index idx_model_scores_strategy_ts on model_scores (strategy_id, ts desc);
create index idx_model_scores_created_at on model_scores using brin (created_at);
