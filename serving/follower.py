"""Follows the log into the view: a thread for each shard, and one that looks where the topics end."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from connectors.log import Log, LogError, OffsetBeyondEnd, OffsetTrimmed, Reader, Record
from schemas.codec import decode_quality, decode_vector
from schemas.topics import DEAD_LETTERS, EVENTS, FEATURES, QUALITY
from serving.times import now
from serving.view import View

LOGGER = structlog.get_logger()
RECENT = 60_000_000
"""Microseconds before the newest vector of a shard at which following begins: a symbol that is quiet for longer gets no
vectors anyway."""
LOOK = 1.0
RETRY = 0.5
LEAVE = 3.0
TOPICS = (EVENTS.name, FEATURES.name, QUALITY.name, DEAD_LETTERS.name)
BATCH = 500
Take = Callable[[Record, bool], None]


class Follower:
    """Keeps a view up to date until it is stopped, whatever the log does meanwhile.

    ``open_log`` is called in a thread of the follower, again after each failure, so a log that is away at the start
    does not hold anybody up.
    """

    def __init__(self, open_log: Callable[[], Log], view: View) -> None:
        self._open_log = open_log
        self._view = view
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._waiting: set[tuple[str, int]] = set()
        self._followed: set[str] = set()
        self._shards: dict[str, int] = {}
        self._log: Log | None = None

    def start(self) -> "Follower":
        self._spawn("ends", self._look)
        return self

    def stop(self) -> None:
        """Stop every thread and close the log; a thread that hangs in a call to a broker is left behind."""
        self._stopped.set()
        deadline = time.monotonic() + LEAVE
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._log and not any(thread.is_alive() for thread in self._threads):
            self._log.close()
            self._log = None

    def _spawn(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=f"follow {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _look(self) -> None:
        """Once a second: which topics are there, where do they end, is the log there at all?"""
        while not self._stopped.is_set():
            try:
                self._log = self._log or self._open_log()
                self._read_ends(self._log)
                self._view.log_error = None
            except (LogError, OSError) as error:
                if self._view.log_error != str(error):
                    LOGGER.warning("follower.log_away", error=str(error))
                self._view.log_error = str(error)
            self._view.ready = bool(self._followed) and not self._waiting
            self._stopped.wait(LOOK if self._view.ready else RETRY / 5)

    def _read_ends(self, log: Log) -> None:
        if len(self._shards) < len(TOPICS):
            self._shards = {info.name: info.shards for info in log.topics() if info.name in TOPICS}
        for topic, shards in self._shards.items():
            for shard in range(shards):
                self._view.ends[topic, shard] = log.end(topic, shard)
                self._view.starts[topic, shard] = log.start(topic, shard)
            if topic in (FEATURES.name, QUALITY.name) and topic not in self._followed:
                self._follow_topic(log, topic, shards)

    def _follow_topic(self, log: Log, topic: str, shards: int) -> None:
        take = self._take_vector if topic == FEATURES.name else self._take_quality
        self._waiting |= {(topic, shard) for shard in range(shards)}
        for shard in range(shards):
            self._spawn(f"{topic}/{shard}", lambda shard=shard: self._follow(log, topic, shard, take))  # type: ignore[misc]
        self._followed.add(topic)

    def _follow(self, log: Log, topic: str, shard: int, take: Take) -> None:
        """Read one shard on and on, from its last minute."""
        position: int | None = None
        while not self._stopped.is_set():
            try:
                position = recent(log, topic, shard) if position is None else position
                reader = log.reader(topic, shard, position)
                try:
                    self._read(reader, log.end(topic, shard), (topic, shard), take)
                finally:
                    position = reader.position
                    reader.close()
            except (OffsetTrimmed, OffsetBeyondEnd):
                position = None
            except (LogError, OSError) as error:
                LOGGER.warning("follower.retry", topic=topic, shard=shard, error=str(error))
            self._stopped.wait(RETRY)

    def _read(self, reader: Reader, end: int, place: tuple[str, int], take: Take) -> None:
        while not self._stopped.is_set():
            for record in reader.poll(BATCH):
                take(record, record.offset >= end)
            if reader.position >= end:
                self._waiting.discard(place)
            reader.wait(0.2)

    def _take_vector(self, record: Record, live: bool) -> None:
        try:
            vector = decode_vector(record.value or b"")
        except msgspec.DecodeError:
            self._view.unreadable[FEATURES.name] += 1
            return
        self._view.add(vector, now() if live else None)

    def _take_quality(self, record: Record, live: bool) -> None:
        try:
            quality = decode_quality(record.value or b"")
        except msgspec.DecodeError:
            self._view.unreadable[QUALITY.name] += 1
            return
        if live:
            self._view.add_quality(quality)


def recent(log: Log, topic: str, shard: int, span: int = RECENT) -> int:
    """The offset from which the last ``span`` microseconds of a shard can be read, counted from its newest record."""
    start, upper = log.start(topic, shard), log.end(topic, shard)
    step, newest = 16, None
    while upper > start and newest is None:
        lower = max(start, upper - step)
        newest = _newest_time(log, topic, shard, lower, upper)
        upper, step = lower, step * 4
    return start if newest is None else max(start, log.offset_at(topic, shard, newest - span))


def _newest_time(log: Log, topic: str, shard: int, lower: int, upper: int) -> int | None:
    reader = log.reader(topic, shard, lower)
    newest = None
    with suppress(OffsetTrimmed):
        while reader.position < upper:
            for record in reader.poll(upper - reader.position):
                newest = max(record.timestamp, newest or 0) if record.offset < upper else newest
            if reader.position < upper and not reader.wait(5.0):
                break
    reader.close()
    return newest
