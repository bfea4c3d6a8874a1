"""The archive: every event of a log as Parquet files, by type, date and symbol, with its shard and offset.

One folder a log, ``<root>/type=<type>/date=<YYYY-MM-DD>/symbol=<SYMBOL>/<shard>-<first>-<last>.parquet``: pyarrow
datasets, DuckDB and pandas read it as it is. Names that begin with ``_`` are ours: ``_catalogue.sqlite`` says which
files count and how far each shard was archived, which is what makes the archive exact across kill -9.
"""

from connectors.log import LogError


class ArchiveError(LogError):
    """The archive cannot do what was asked; the message says what to do."""


class WrongLog(ArchiveError):
    """The archive was made from another log."""


class RecordsLost(ArchiveError):
    """Retention of the log took events that were not archived yet."""


class NoSpace(ArchiveError):
    """The disk has less free space than the archive must leave."""


class Damaged(ArchiveError):
    """A file of the archive is missing, or not what was written."""
