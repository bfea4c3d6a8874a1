"""The history of a log: what was heard live and what was fetched later, in one order of time, to be read only."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from connectors.history.coverage import Coverage
from connectors.history.files import BackfillFiles
from connectors.history.filled import Filled
from connectors.history.reader import HistoryReader
from connectors.history.rows import rows_of
from connectors.history.seams import Seams
from connectors.history.spans import DAY, Span
from connectors.log import Cleanup, Log, LogError, NewRecord, Reader, TopicInfo, UnknownTopic
from connectors.log.address import Address, address_of
from schemas.topics import EVENTS

FOREVER = Span(0, 2**62)


class HistoryLog:
    """The topic ``events`` of ``log``, with the fetched rows below ``root`` at the time at which each was known.

    It has no other topic: what flows wrote is about the events of the log alone. Offsets are its own: those of the log
    plus the rows that stand before. So they hold for one state of the fetched files, and for one choice of the
    arguments.

    Args:
        log: the live log; ``connectors.archive.log.ArchiveLog`` where an archive reaches further back.
        root: of the archive, below which fetched files are.
        symbols: whose fetched rows are wanted; None: of all.
        window: fetched rows that were known in [start, end) are wanted.
        sources: what features read; gaps of anything else, and those that were filled, are passed over.
        files: the fetched files that count; None: those that are there now. What is fetched later changes nothing.
    """

    def __init__(
        self,
        log: Log,
        root: Path,
        symbols: Collection[str] | None = None,
        window: tuple[int, int] = FOREVER,
        sources: Collection[str] | None = None,
        files: Collection[str] | None = None,
    ) -> None:
        self.log = log
        self.root = root.resolve()
        self.sources = sources
        there = BackfillFiles(root, files)
        self.symbols = there.symbols() if symbols is None else sorted(symbols)
        self.window = bounded(there, Span(*window))
        # A candle lies with the day that it begins in, and is known a minute later.
        days = Span(max(0, self.window.start - DAY), self.window.end)
        self.files = there.names(self.symbols, days) if files is None else sorted(files)
        self.coverage = Coverage(root, log, self.files)
        self.filled = Filled(self.coverage, sources)
        self._seams: dict[int, Seams] = {}

    def seams(self, shard: int) -> Seams:
        """Where the rows stand in a shard."""
        if shard not in self._seams:
            info = self._events()
            rows = rows_of(self.coverage.files, shard, info.shards, self.symbols, self.window)
            self._seams[shard] = Seams(self.log, shard, rows)
        return self._seams[shard]

    def reader(self, topic: str, shard: int, offset: int) -> Reader:
        self._ensure(topic)
        return HistoryReader(self.log, shard, self.seams(shard), self.filled, offset)

    def start(self, topic: str, shard: int) -> int:
        self._ensure(topic)
        return self.log.start(topic, shard)

    def end(self, topic: str, shard: int) -> int:
        self._ensure(topic)
        return self.log.end(topic, shard) + self.seams(shard).total

    def offset_at(self, topic: str, shard: int, timestamp: int) -> int:
        self._ensure(topic)
        seams = self.seams(shard)
        live = seams.offset(self.log.offset_at(topic, shard, timestamp))
        row = seams.row_at(timestamp)
        return live if row is None else min(live, row)

    def topics(self) -> list[TopicInfo]:
        return [info for info in self.log.topics() if info.name == EVENTS.name]

    def size(self, topic: str) -> int | None:
        return None

    def maintain(self, topic: str) -> None:
        """There is nothing to be done: what is below is kept by others."""

    def address(self) -> Address | None:
        """Where another process finds it; None where the log below has no address."""
        below = address_of(self.log)
        if below is None:
            return None
        return {
            "home": "history",
            "log": below,
            "root": str(self.root),
            "symbols": self.symbols,
            "window": tuple(self.window),
            "sources": None if self.sources is None else sorted(self.sources),
            "files": self.files,
        }

    def close(self) -> None:
        self.log.close()

    def create(self, topic: str, shards: int, cleanup: Cleanup = "delete", retention_ms: int | None = None) -> NoReturn:
        raise _read_only()

    def append(self, topic: str, shard: int, records: Sequence[NewRecord]) -> NoReturn:
        raise _read_only()

    def writer(self, topic: str, shard: int) -> NoReturn:
        raise _read_only()

    def trim(self, topic: str, shard: int, before: int) -> NoReturn:
        raise _read_only()

    def _events(self) -> TopicInfo:
        for info in self.log.topics():
            if info.name == EVENTS.name:
                return info
        raise UnknownTopic("the log has no topic events: start a flow, it creates every topic")

    @staticmethod
    def _ensure(topic: str) -> None:
        if topic != EVENTS.name:
            raise UnknownTopic(f"a history has the topic events alone, not {topic}: read {topic} from the log")


def bounded(files: BackfillFiles, window: Span) -> Span:
    """What of a window there can be rows of."""
    extent = files.extent()
    return Span(0, 0) if extent is None else Span(max(window.start, extent.start), min(window.end, extent.end + 1))


def _read_only() -> LogError:
    return LogError("a history is only read: write to the log itself")
