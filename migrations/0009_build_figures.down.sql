alter table dataset_building_metrics drop column if exists figures;
