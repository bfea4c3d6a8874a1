"""Dataset builds as work that waits, runs, is held up, given up and found again after a restart.

The table ``datasets`` is the queue. A build that runs holds a lock of the database that dies with its connection: what
says it is building while nobody holds its lock was interrupted, and is taken up again.
"""
