"""A home of the log in a test: opens it as often as asked, and reads it to its end."""

import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from connectors.log import Log, NewRecord, Reader, Record, open_log

HANG = 60.0
"""Seconds after which a test gives up on a log that should have answered long ago."""

SOME_TIME = 1_700_000_000_000_000
"""Microseconds UTC."""


@dataclass
class Home:
    """Where the logs of one test are: a folder, or a broker shared with other tests."""

    bootstrap: str | None
    root: Path
    opened: list[Log] = field(default_factory=list)

    def open(self, **settings: str) -> Log:
        log = open_log(self.bootstrap, self.root, settings)
        self.opened.append(log)
        return log

    def topic(self, name: str = "topic") -> str:
        """A name that no other test uses."""
        return f"{name}-{uuid.uuid4().hex[:8]}"

    def arguments(self) -> list[str]:
        """What a child process needs to open the same log."""
        return [self.bootstrap or "", str(self.root)]

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()


def record(value: bytes | None, key: bytes | None = b"key", timestamp: int = SOME_TIME, **headers: bytes) -> NewRecord:
    return NewRecord(key, value, timestamp, tuple(headers.items()))


def read(reader: Reader, count: int, limit: int = 1000) -> list[Record]:
    """The next ``count`` records, waiting for them."""
    found: list[Record] = []
    deadline = time.monotonic() + HANG
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} records after {HANG:g} s"
        found += reader.poll(min(limit, count - len(found)))
        if len(found) < count:
            reader.wait(0.1)
    return found


def read_all(log: Log, topic: str, shard: int = 0, offset: int | None = None) -> list[Record]:
    """What is on a shard, from ``offset`` (its start, unless given) to its end."""
    end = log.end(topic, shard)
    reader = log.reader(topic, shard, log.start(topic, shard) if offset is None else offset)
    found: list[Record] = []
    deadline = time.monotonic() + HANG
    while reader.position < end:
        assert time.monotonic() < deadline, f"position {reader.position}, end {end} after {HANG:g} s"
        found += reader.poll(1000)
        if reader.position < end:
            reader.wait(0.1)
    reader.close()
    return found


def numbers(*values: int) -> list[NewRecord]:
    return [record(b"%d" % n) for n in values]
