"""Follows the log into the view: a thread for each shard, and one that looks where the topics end."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import structlog

from connectors.log import Log, LogError, OffsetBeyondEnd, OffsetTrimmed, Reader
from schemas.codec import (
    UNREADABLE,
    decode_account,
    decode_decision,
    decode_event,
    decode_quality,
    decode_quality_minute,
    decode_signal,
    decode_vector,
)
from schemas.topics import ACCOUNT, DEAD_LETTERS, DECISIONS, EVENTS, FEATURES, QUALITY, QUALITY_MINUTES, SIGNALS
from serving.quality_alerts import log_observation
from serving.times import now
from serving.trading_view import KEPT
from serving.view import View

LOGGER = structlog.get_logger()
RECENT = 60_000_000
"""Microseconds before the newest vector of a shard at which following begins: a symbol that is quiet for longer gets no
vectors anyway."""
LOOK = 1.0
RETRY = 0.5
LEAVE = 3.0
BATCH = 500
TAIL = 500_000
"""So many events at the end of a shard are looked through for settings and the account; older settings are in the
database."""
CONCERNS_US = (b'"position"', b'"balance"', b'configured"', b'"model.activated"')
"""One of these is in every event that the view takes: market data need not be decoded."""
Begin = Callable[[Log, str, int], int]
Take = Callable[[bytes, int, bool], None]


class Followed(NamedTuple):
    """How a topic is followed: from where on, and what takes (value, shard, live).

    The API is ready when it has caught up with the ``essential`` ones.
    """

    begin: Begin
    take: Take
    essential: bool = False


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
        self._topics: Mapping[str, Followed | None] = {
            EVENTS.name: Followed(tail, self._take_event),
            FEATURES.name: Followed(recent, self._take_vector, essential=True),
            QUALITY.name: Followed(recent, self._take_quality, essential=True),
            QUALITY_MINUTES.name: Followed(recent, self._take_quality_minute),
            DECISIONS.name: Followed(partial(tail, count=KEPT), self._take_decision),
            SIGNALS.name: Followed(partial(tail, count=KEPT), self._take_signal),
            ACCOUNT.name: Followed(self._all, self._take_account),
            DEAD_LETTERS.name: None,
        }

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
        if len(self._shards) < len(self._topics):
            self._shards = {info.name: info.shards for info in log.topics() if info.name in self._topics}
        for topic, shards in self._shards.items():
            for shard in range(shards):
                self._view.ends[topic, shard] = log.end(topic, shard)
                self._view.starts[topic, shard] = log.start(topic, shard)
            if (followed := self._topics[topic]) and topic not in self._followed:
                self._follow_topic(log, topic, shards, followed)

    def _follow_topic(self, log: Log, topic: str, shards: int, followed: Followed) -> None:
        if followed.essential:
            self._waiting |= {(topic, shard) for shard in range(shards)}
        for shard in range(shards):
            self._spawn(f"{topic}/{shard}", lambda shard=shard: self._follow(log, topic, shard, followed))  # type: ignore[misc]
        self._followed.add(topic)

    def _follow(self, log: Log, topic: str, shard: int, followed: Followed) -> None:
        """Read one shard on and on."""
        position: int | None = None
        while not self._stopped.is_set():
            try:
                position = followed.begin(log, topic, shard) if position is None else position
                reader = log.reader(topic, shard, position)
                try:
                    self._read(reader, log.end(topic, shard), (topic, shard), followed.take)
                finally:
                    position = reader.position
                    reader.close()
            except (OffsetTrimmed, OffsetBeyondEnd) as error:
                position = None
                if isinstance(error, OffsetBeyondEnd) and topic in (ACCOUNT.name, EVENTS.name):
                    self._view.trading.begun_anew(shard, derived=topic == ACCOUNT.name)
                    if topic == EVENTS.name:
                        self._view.windows.begun_anew(shard)
            except (LogError, OSError) as error:
                LOGGER.warning("follower.retry", topic=topic, shard=shard, error=str(error))
            self._stopped.wait(RETRY)

    def _read(self, reader: Reader, end: int, place: tuple[str, int], take: Take) -> None:
        topic, shard = place
        while not self._stopped.is_set():
            for offset, value in reader.poll_raw(BATCH):
                try:
                    take(value or b"", shard, offset >= end)
                except UNREADABLE:
                    self._view.unreadable[topic] += 1
            if reader.position >= end:
                self._waiting.discard(place)
            reader.wait(0.2)

    def _take_vector(self, value: bytes, shard: int, live: bool) -> None:
        self._view.add(decode_vector(value), now() if live else None)

    def _take_quality(self, value: bytes, shard: int, live: bool) -> None:
        record = decode_quality(value)
        if live:
            self._view.add_quality(record)
            log_observation(record)

    def _take_quality_minute(self, value: bytes, shard: int, live: bool) -> None:
        self._view.quality_alerts.add(decode_quality_minute(value), live)

    def _take_decision(self, value: bytes, shard: int, live: bool) -> None:
        self._view.trading.add_decision(decode_decision(value), live)

    def _take_signal(self, value: bytes, shard: int, live: bool) -> None:
        self._view.trading.add_signal(decode_signal(value), now() if live else None)

    def _take_account(self, value: bytes, shard: int, live: bool) -> None:
        self._view.trading.add_account(decode_account(value), shard)

    def _take_event(self, value: bytes, shard: int, live: bool) -> None:
        self._view.windows.add(value, shard)
        if any(mark in value for mark in CONCERNS_US):
            self._view.trading.add_event(decode_event(value), shard)

    def _all(self, log: Log, topic: str, shard: int) -> int:
        """From the first record that is there: what a strategy holds is the sum of all its executions."""
        start = log.start(topic, shard)
        self._view.trading.of(shard).complete = start == 0
        return start


def tail(log: Log, topic: str, shard: int, count: int = TAIL) -> int:
    """The offset from which the last ``count`` records of a shard can be read."""
    return max(log.start(topic, shard), log.end(topic, shard) - count)


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
