"""A log whose events are read from the archive: what replays a log replays its archive, byte for byte."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from connectors.archive import ArchiveError
from connectors.archive.catalogue import Catalogue
from connectors.archive.entries import Stand
from connectors.archive.holds import Holds
from connectors.archive.reader import ArchiveReader, retried
from connectors.archive.reading import Merged
from connectors.archive.times import first_at
from connectors.log import (  # fmt: skip
    Cleanup,
    Log,
    LogError,
    NewRecord,
    Reader,
    TopicInfo,
    UnknownTopic,
    Writer,
)
from connectors.log.address import Address, address_of
from schemas.topics import EVENTS


class ArchiveLog:
    """``log``, but ``events`` come from the archive in ``root``, and from ``log`` only what is not archived yet.

    Offsets are the original ones. Events cannot be appended: whoever reads an archive replays.

    Raises:
        ArchiveError: when there is no archive.
    """

    def __init__(self, log: Log, root: Path) -> None:
        self.log = log
        self.root = root
        self._catalogue = Catalogue(root)
        self.holds = Holds(root)
        self.shards = self._catalogue.shards

    def create(self, topic: str, shards: int, cleanup: Cleanup = "delete", retention_ms: int | None = None) -> None:
        if topic != EVENTS.name:
            self.log.create(topic, shards, cleanup, retention_ms)
        elif shards != self.shards:
            raise LogError(f"the archive {self.root} has {self.shards} shards, not {shards}")

    def append(self, topic: str, shard: int, records: Sequence[NewRecord]) -> int:
        self._refuse(topic)
        return self.log.append(topic, shard, records)

    def writer(self, topic: str, shard: int) -> Writer:
        self._refuse(topic)
        return self.log.writer(topic, shard)

    def reader(self, topic: str, shard: int, offset: int) -> Reader:
        if topic != EVENTS.name:
            return self.log.reader(topic, shard, offset)
        self._check(shard)
        return ArchiveReader(self, shard, offset)

    def start(self, topic: str, shard: int) -> int:
        if topic != EVENTS.name:
            return self.log.start(topic, shard)
        self._check(shard)
        return self._catalogue.begins(shard) if self.stand(shard) else self._tail(shard)[0]

    def end(self, topic: str, shard: int) -> int:
        if topic != EVENTS.name:
            return self.log.end(topic, shard)
        self._check(shard)
        stand = self.stand(shard)
        start, end = self._tail(shard)
        if stand is None:
            return end
        return end if start <= stand.position <= end else stand.position

    def offset_at(self, topic: str, shard: int, timestamp: int) -> int:
        if topic != EVENTS.name:
            return self.log.offset_at(topic, shard, timestamp)
        start, end = self.start(topic, shard), self.end(topic, shard)
        entries = self._catalogue.files(shard, start)
        found = retried(lambda: first_at(self.root, entries, start, timestamp // 1000 * 1000))
        if found is not None:
            return found
        stand = self.stand(shard)
        position = stand.position if stand else 0
        return end if end <= position else max(position, self.log.offset_at(topic, shard, timestamp))

    def trim(self, topic: str, shard: int, before: int) -> None:
        self._refuse(topic)
        self.log.trim(topic, shard, before)

    def maintain(self, topic: str) -> None:
        if topic != EVENTS.name:
            self.log.maintain(topic)

    def size(self, topic: str) -> int | None:
        if topic != EVENTS.name:
            return self.log.size(topic)
        return sum(entry.bytes for entry in self._catalogue.files())

    def topics(self) -> list[TopicInfo]:
        others = {info.name: info for info in self.log.topics()}
        others.setdefault(EVENTS.name, TopicInfo(EVENTS.name, self.shards, "delete"))
        return [others[name] for name in sorted(others)]

    def address(self) -> Address | None:
        """Where another process finds it; None where the log itself has no address."""
        below = address_of(self.log)
        return None if below is None else {"home": "archive", "root": str(self.root.resolve()), "log": below}

    def close(self) -> None:
        self.holds.close()
        self._catalogue.close()
        self.log.close()

    def hold(self) -> AbstractContextManager[None]:
        """While it lasts, expiry takes nothing from the archive; readers do so for themselves."""
        return self.holds.everything(self.shards)

    def stand(self, shard: int) -> Stand | None:
        """How far a shard is archived now."""
        return self._catalogue.stands().get(shard)

    def merged(self, shard: int, position: int) -> Merged:
        """The archived rows of a shard from ``position`` on."""
        return Merged(self.root, self._catalogue.files(shard, position), position)

    def _tail(self, shard: int) -> tuple[int, int]:
        """Where the log itself begins and ends; nothing where it has no events."""
        try:
            return self.log.start(EVENTS.name, shard), self.log.end(EVENTS.name, shard)
        except UnknownTopic:
            return 0, 0

    def _check(self, shard: int) -> None:
        if not 0 <= shard < self.shards:
            raise LogError(f"the archive {self.root} has shards 0 to {self.shards - 1}, not {shard}")

    def _refuse(self, topic: str) -> None:
        if topic == EVENTS.name:
            raise ArchiveError("events cannot be changed through their archive: open the log itself")
