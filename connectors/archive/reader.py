"""Reading one shard of an archive forward, and on from the log where the archive ends."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from connectors.archive import Damaged
from connectors.archive.reading import Merged
from connectors.log import OffsetBeyondEnd, OffsetTrimmed, Reader, Record
from schemas.topics import EVENTS

if TYPE_CHECKING:
    from connectors.archive.log import ArchiveLog

ATTEMPTS = 5
"""Times that a file may be compacted away between the look at the catalogue and opening it."""
T = TypeVar("T")


class ArchiveReader:
    """Reads one shard forward: from the archive as far as that reaches, and on from the log."""

    def __init__(self, place: "ArchiveLog", shard: int, offset: int) -> None:
        self.position = offset
        self._place, self._shard = place, shard
        self._merged: Merged | None = None
        self._archived = 0
        self._tail: Reader | None = None
        self._values: list[tuple[int, bytes | None]] = []
        self._records: list[Record] = []
        place.holds.take(self, shard, offset)

    def poll(self, limit: int) -> list[Record]:
        if not self._in_archive():
            return self._from_log(lambda tail: tail.poll(limit), lambda: self.poll(limit))
        self._values = []
        if not self._records:
            self._records = self._next(lambda merged: merged.records(self._archived))
        taken, self._records = self._records[:limit], self._records[limit:]
        self._advance(taken, self._records)
        return taken

    def poll_raw(self, limit: int) -> list[tuple[int, bytes | None]]:
        if not self._in_archive():
            return self._from_log(lambda tail: tail.poll_raw(limit), lambda: self.poll_raw(limit))
        self._records = []
        if not self._values:
            self._values = self._next(lambda merged: merged.values(self._archived))
        taken, self._values = self._values[:limit], self._values[limit:]
        self._advance(taken, self._values)
        return taken

    def wait(self, timeout: float) -> bool:
        return self._in_archive() or self._from_log(lambda tail: tail.wait(timeout), lambda: True)

    def close(self) -> None:
        self._place.holds.drop(self)
        if self._tail is not None:
            self._tail.close()

    def _in_archive(self) -> bool:
        """Whether the next record is archived. What was not when we looked last may be now; we go on in the log."""
        if self._tail is not None or self.position < self._archived:
            return self._tail is None
        place, stand = self._place, self._place.stand(self._shard)
        start, end = place.start(EVENTS.name, self._shard), place.end(EVENTS.name, self._shard)
        if self.position < start:
            raise OffsetTrimmed(
                f"topic events, shard {self._shard}: offset {self.position} is no longer in the archive {place.root},"
                f" which begins at {start}: read from there on, or bring it back with lockstep archive restore"
            )
        if self.position > end:
            raise OffsetBeyondEnd(
                f"topic events, shard {self._shard}: offset {self.position} lies beyond the end, {end}:"
                f" is {place.root} the archive of the log that the offset came from?"
            )
        self._archived = stand.position if stand else 0
        return self.position < self._archived

    def _next(self, read: Callable[[Merged], list[T]]) -> list[T]:
        """The next batch out of the files; once more where they were compacted in between."""

        def attempt() -> list[T]:
            self._merged = self._merged or self._place.merged(self._shard, self.position)
            try:
                return read(self._merged)
            except FileNotFoundError:
                self._merged = None
                raise

        if self._merged is not None and self._merged.position != self.position:
            self._merged = None  # the other way of polling has read ahead
        return retried(attempt)

    def _advance(self, taken: Sequence[tuple], rest: Sequence[tuple]) -> None:  # type: ignore[type-arg]
        """Past what was taken, and past holes once nothing is left of a batch."""
        assert self._merged is not None
        self.position = taken[-1][0] + 1 if rest else self._merged.position
        self._place.holds.move(self, self.position)

    def _from_log(self, ask: Callable[[Reader], T], again: Callable[[], T]) -> T:
        """From the log itself; ``again`` is the whole question, for the archive to answer."""
        if self._tail is None:
            self._tail = self._place.log.reader(EVENTS.name, self._shard, self.position)
            self._merged = None
            self._place.holds.drop(self)
        try:
            found = ask(self._tail)
        except OffsetTrimmed:
            stand = self._place.stand(self._shard)
            if stand is None or stand.position <= self.position:
                raise
            self._back()
            return again()
        self.position = self._tail.position
        return found

    def _back(self) -> None:
        """Retention of the log was faster than we, but archiving was faster than that."""
        assert self._tail is not None
        self._tail.close()
        self._tail = None
        self._place.holds.take(self, self._shard, self.position)


def retried(action: Callable[[], T]) -> T:
    """Do it again when a file was compacted away in between.

    Raises:
        Damaged: when it stays away.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return action()
        except FileNotFoundError:
            continue
    return _last(action)


def _last(action: Callable[[], T]) -> T:
    try:
        return action()
    except FileNotFoundError as error:
        raise Damaged(
            f"{error.filename or error} is in the catalogue, but not there: lockstep archive verify"
        ) from None
