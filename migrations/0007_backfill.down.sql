drop table backfill_jobs;
