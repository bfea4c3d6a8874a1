"""Fetching history as work that waits, runs, is given up and found again after a restart.

The table ``backfill_jobs`` is the queue. A job that runs holds a lock of the database that dies with its connection:
what says it is in progress while nobody holds its lock was interrupted, and is taken up again.
"""
