"""One shard on its way into the tables: where it begins, what it gives, how far it is."""

from zlib import crc32

import structlog

from connectors.log import Log, LogError, LogUnavailable, OffsetTrimmed
from connectors.log.span import span
from connectors.patience import patiently
from connectors.postgres.stored import Place, Shard, Taken
from dataflows.persisted import Rows

LOGGER = structlog.get_logger()


class RecordsLost(LogError):
    """Retention took records that were not stored yet."""


class Feed:
    """One shard on its way into the tables: ``stored`` is its place in the database, ``read`` where we are."""

    def __init__(self, log: Log, shard: Shard, stored: Place | None, begin: Place, stop: int | None) -> None:
        self.shard = shard
        self.stored = stored
        self.read = begin
        self.stop = stop
        self._reader = patiently(lambda: log.reader(*shard, begin.position))
        self._rows = Rows(shard, begin.state or {})

    @property
    def done(self) -> bool:
        """Whether it has come to where it was to stop."""
        return self.stop is not None and self.read.position >= self.stop

    def take(self, limit: int) -> list[Taken]:
        """What the next records became, and where they end.

        Raises:
            RecordsLost: when retention was faster than we.
        """
        if self.done:
            return []
        try:
            messages = self._reader.poll_raw(limit)
        except LogUnavailable as error:
            LOGGER.warning("log.away", topic=self.shard[0], shard=self.shard[1], error=str(error))
            return []
        except OffsetTrimmed as error:
            raise lost(self.shard, self.read.position, str(error)) from error
        if self.stop is not None:
            messages = [message for message in messages if message[0] < self.stop]
        taken = [one for offset, value in messages if (one := self._rows.take(offset, value))]
        if messages or self._reader.position > self.read.position:
            offset, value = messages[-1] if messages else (None, None)
            last = self.read.last if offset is None else (offset, crc32(value or b""))
            position = self._reader.position if self.stop is None else min(self._reader.position, self.stop)
            self.read = Place(position, last, self._rows.state())
        return taken

    def wait(self, seconds: float) -> None:
        """Until something may be there."""
        self._reader.wait(seconds)

    def close(self) -> None:
        self._reader.close()


def begin_at(log: Log, shard: Shard, stored: Place | None, accept_loss: bool) -> Place:
    """Where a shard is read on: at its stored place, if the log is still the one that this place is from.

    A log that was begun anew is read from its start: ids follow from places, so what is repeated changes nothing.

    Raises:
        RecordsLost: when retention took what comes after the stored place, and ``accept_loss`` is not set.
    """
    start, end = log.start(*shard), log.end(*shard)
    if stored is None:
        if start:
            LOGGER.warning("persist.begins_late", topic=shard[0], shard=shard[1], first=start)
        return Place(start)
    if stored.position > end or not _holds(log, shard, stored, start):
        LOGGER.warning(
            "persist.log_begun_anew", topic=shard[0], shard=shard[1], position=stored.position, end=end, first=start
        )
        return Place(start)
    if stored.position < start:
        problem = lost(shard, stored.position, f"the log begins at {start}")
        if not accept_loss:
            raise problem
        LOGGER.warning("persist.loss_accepted", loss=str(problem))
        return Place(start, None, stored.state)
    return stored


def _holds(log: Log, shard: Shard, stored: Place, start: int) -> bool:
    """Whether the record before a place is the one that was there."""
    if stored.last is None or stored.last[0] < start:
        return True
    offset, checksum = stored.last
    return [crc32(one.value or b"") for one in span(log, *shard, offset, offset + 1)] == [checksum]


def lost(shard: Shard, position: int, why: str) -> RecordsLost:
    """The error for records that are gone before they were stored."""
    return RecordsLost(
        f"{shard[0]}/{shard[1]}: must go on at offset {position}, but {why}: retention removed what was not stored."
        " Restore it from an archive, or go on without it with --accept-loss."
    )
