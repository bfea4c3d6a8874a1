"""archive: events -> Parquet by type, date and symbol.

A plain loop over readers and not a Bytewax flow, as ``persist``: how far each shard was archived stands in the
archive's own catalogue and is written in the transaction that lets the files count, which alone makes them exactly
once. Memory is bounded by what one commit writes.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from zlib import crc32

import structlog

from connectors.archive import Damaged, NoSpace, RecordsLost, WrongLog
from connectors.archive.compaction import compact
from connectors.archive.retention import Policy, expire
from connectors.archive.space import GIGABYTE, need
from connectors.archive.writer import ArchiveWriter
from connectors.log import Log, LogUnavailable, OffsetTrimmed, Reader, Record
from connectors.log.span import span
from connectors.patience import patiently
from schemas.topics import EVENTS

LOGGER = structlog.get_logger()
BATCH = 5_000
ROWS = 400_000
"""Rows that one commit writes at most, or little more."""
PAUSE = 0.2
"""Seconds between two looks at a log with nothing new."""
EVERY = 30.0
HOUSEKEEPING = 60.0
EXPIRY = 3600.0
LEAST_FREE = GIGABYTE


@dataclass
class Tally:
    """What was done: rows and files committed, files that compaction saved, files that expired."""

    rows: int = 0
    files: int = 0
    compacted: int = 0
    expired: int = 0


class Archive:
    """Archives the events of one log until ``stop`` is set, or where ``until_end`` is, up to its present end.

    Args:
        log: where the events are.
        shards: how many shards they have.
        root: the archive's folder.
        policy: what expires; None: nothing.
        every: seconds between two commits at most; what was not committed is read again after a restart.
        until_end: stop where the log ends now.
        accept_loss: go on where a shard begins if retention took what was not archived.
        least_free: bytes that stay free on the disk.
        stop: set it to end; what was read is still committed.
    """

    def __init__(
        self,
        log: Log,
        shards: int,
        root: Path,
        *,
        policy: Policy | None = None,
        every: float = EVERY,
        until_end: bool = False,
        accept_loss: bool = False,
        least_free: int = LEAST_FREE,
        stop: Event | None = None,
    ) -> None:
        self.log = log
        self.shards = shards
        self.root = root
        self.policy = policy
        self.every = every
        self.until_end = until_end
        self.accept_loss = accept_loss
        self.least_free = least_free
        self.stop = stop or Event()
        self.tally = Tally()

    def run(self) -> None:
        """Archive.

        Raises:
            RecordsLost: when retention took what was not archived, and ``accept_loss`` is not set.
            WrongLog: when the archive was made from another log.
            SecondWriter: when another process archives into the same folder.
            NoSpace: when the disk is full, with ``until_end``; otherwise we wait for room.
        """
        self.writer = ArchiveWriter(self.root, self.shards)
        if self.writer.cleared:
            LOGGER.info("archive.cleared", files=len(self.writer.cleared), left_by="a process that was killed")
        feeds: list[_Feed] = []
        try:
            feeds = [self._feed(shard) for shard in range(self.shards)]
            self._follow(feeds)
        finally:
            for feed in feeds:
                feed.close()
            self.writer.close()

    def _follow(self, feeds: "list[_Feed]") -> None:
        committed = tidied = time.monotonic()
        expired = committed - EXPIRY
        while not self.stop.is_set() and not all(feed.done for feed in feeds):
            moved = sum(feed.take() for feed in feeds)
            now = time.monotonic()
            if self.writer.pending >= ROWS or now >= committed + self.every:
                self._commit(feeds)
                committed = time.monotonic()
            if now >= tidied + HOUSEKEEPING:
                self._compact()
                tidied = time.monotonic()
            if now >= expired + EXPIRY:
                self._expire()
                expired = now
            if not moved:
                next(feed for feed in reversed(feeds) if not feed.done).wait(PAUSE)
        self._commit(feeds)
        if self.until_end:
            self._compact()
            self._expire()

    def _feed(self, shard: int) -> "_Feed":
        start, end = patiently(lambda: (self.log.start(EVENTS.name, shard), self.log.end(EVENTS.name, shard)))
        stand = self.writer.stored.get(shard)
        if stand is None:
            if start:
                LOGGER.warning("archive.begins_late", shard=shard, first=start)
            self.writer.begin(shard, start)
        elif stand.position > end or not self._holds(shard, stand.last, start):
            raise WrongLog(
                f"{self.root} is the archive of another log: its events/{shard} goes on at offset {stand.position},"
                f" this log has other records there (offsets {start} to {end}). Give this log an archive of its own"
                " with LOCKSTEP_ARCHIVE, or move that one away."
            )
        elif stand.position < start:
            self._lose(shard, stand.position, start)
        reader = patiently(lambda: self.log.reader(EVENTS.name, shard, self.writer.position(shard)))
        return _Feed(self.writer, shard, reader, end if self.until_end else None)

    def _lose(self, shard: int, position: int, start: int) -> None:
        reason = f"retention of the log took offsets {position} to {start - 1} before they were archived"
        if not self.accept_loss:
            raise RecordsLost(
                f"events/{shard}: {reason}. Restore them, or go on without them with --accept-loss: the archive"
                " remembers what is missing."
            )
        LOGGER.warning("archive.loss_accepted", shard=shard, first=position, stop=start)
        self.writer.lose(shard, start, reason)

    def _holds(self, shard: int, last: tuple[int, int] | None, start: int) -> bool:
        """Whether the last record archived is the one that the log has there."""
        if last is None or last[0] < start:
            return True
        offset, checksum = last
        return [crc32(one.value or b"") for one in span(self.log, EVENTS.name, shard, offset, offset + 1)] == [checksum]

    def _commit(self, feeds: "list[_Feed]") -> None:
        for feed in feeds:
            feed.hand_over()
        self._wait_for_room()
        entries = self.writer.commit()
        self.tally.files += len(entries)
        self.tally.rows += sum(entry.rows for entry in entries)

    def _wait_for_room(self) -> None:
        """The log keeps what we do not read; a full disk would stop the log as well."""
        told = 0.0
        while True:
            try:
                return need(self.root, self.least_free)
            except NoSpace as error:
                if self.until_end or self.stop.is_set():
                    raise
                if time.monotonic() > told + HOUSEKEEPING:
                    told = time.monotonic()
                    LOGGER.error("archive.no_space", problem=str(error))
                self.stop.wait(1.0)

    def _compact(self) -> None:
        """Small files become large ones; a damaged one, or a full disk, is no reason to stop archiving."""
        try:
            need(self.root, self.least_free)
            done = compact(self.root, self.writer.catalogue)
        except (NoSpace, Damaged, OSError) as error:
            LOGGER.warning("archive.not_compacted", problem=str(error))
            return
        self.tally.compacted += done.files_before - done.files_after
        if done.files_before:
            LOGGER.info("archive.compacted", **done._asdict())

    def _expire(self) -> None:
        """What is too old goes; what cannot go now is tried again in an hour."""
        if self.policy is None:
            return
        try:
            done = expire(self.root, self.writer.catalogue, self.policy)
        except (Damaged, OSError) as error:
            LOGGER.warning("archive.not_expired", problem=str(error))
            return
        self.tally.expired += len(done.gone)
        if done.gone or done.kept:
            LOGGER.info("archive.expired", files=len(done.gone), in_use=len(done.kept))


class _Feed:
    """One shard on its way into the archive."""

    def __init__(self, writer: ArchiveWriter, shard: int, reader: Reader, stop: int | None) -> None:
        self._writer, self._shard, self._reader, self._stop = writer, shard, reader, stop
        self._records: list[Record] = []
        self._position = reader.position

    @property
    def done(self) -> bool:
        """Whether it has come to where it was to stop."""
        return self._stop is not None and self._position >= self._stop

    def take(self) -> bool:
        """Read on; whether there was anything.

        Raises:
            RecordsLost: when retention was faster than we.
        """
        if self.done:
            return False
        before = self._position
        try:
            records = self._reader.poll(BATCH)
        except LogUnavailable as error:
            LOGGER.warning("log.away", topic=EVENTS.name, shard=self._shard, error=str(error))
            return False
        except OffsetTrimmed as error:
            raise RecordsLost(
                f"events/{self._shard}: {error}: retention of the log is faster than archiving. Start again with"
                " --accept-loss, and keep the log longer (LOCKSTEP_RETENTION_DAYS)."
            ) from error
        self._position = self._reader.position
        if self._stop is not None and self._position > self._stop:
            self._position = self._stop
            records = [record for record in records if record.offset < self._stop]
        self._records += records
        if len(self._records) >= BATCH:
            self.hand_over()
        return self._position > before

    def hand_over(self) -> None:
        """Give what was read to the writer: many records at once, as columns are made a batch at a time."""
        self._writer.add(self._shard, self._records, self._position)
        self._records = []

    def wait(self, seconds: float) -> None:
        """Until something may be there."""
        self._reader.wait(seconds)

    def close(self) -> None:
        self._reader.close()
