-- What a build cost, beside the columns that other services know.
alter table dataset_building_metrics add column if not exists figures jsonb;
comment on column dataset_building_metrics.figures is
    'of a build that made a dataset: seconds by phase, messages and rows a second, workers, pieces, peak memory in bytes';
