"""A migrated database, and a log on which a flow wrote about its data."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from connectors.log import Log, NewRecord, open_log
from connectors.postgres.migrate import Migrator
from connectors.postgres.stored import Stored
from dataflows.features import WRITES, engine
from dataflows.persist import Persist
from schemas.codec import decode_quality, decode_quality_minute
from schemas.origin import HEADER
from schemas.output import Output
from schemas.quality import QualityMinute, QualityRecord
from schemas.topics import TOPICS, shard_of
from tests.quality.small import SMALL
from tests.streams import raw, stream

SHARDS = 2
SYMBOLS = ("BTCUSDT", "ETHUSDT")
"""Each in a shard of its own."""


class Told(NamedTuple):
    """What the flow wrote."""

    minutes: list[QualityMinute]
    records: list[QualityRecord]


@cache
def outputs() -> list[Output]:
    """Of half an hour with all kinds of faults; each symbol in its shard."""
    made = []
    for symbol in SYMBOLS:
        made += engine(SMALL, shard_of(symbol, SHARDS)).feed(raw(stream(3, 1_900, (symbol,))))
    return [one for one in made if one.topic.startswith("quality")]


@pytest.fixture
def url(database_url: str) -> str:
    """A database with our tables."""
    Migrator(database_url).up()
    return database_url


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An embedded log."""
    log = open_log(None, tmp_path / "log")
    yield log
    log.close()


@pytest.fixture
def told(log: Log) -> Told:
    """The flow's records about the data are on the log."""
    write(log)
    return told_of()


def told_of() -> Told:
    """What ``write`` writes."""
    return Told(
        [decode_quality_minute(one.value) for one in outputs() if one.topic == "quality-minutes"],
        [decode_quality(one.value) for one in outputs() if one.topic == "quality"],
    )


def write(log: Log) -> None:
    """Every topic, and on it what the flow wrote about the data."""
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    assert {one.topic for one in outputs()} <= set(WRITES)
    for one in outputs():
        record = NewRecord(one.key.encode(), one.value, one.timestamp, [(HEADER, one.origin.header())])
        log.append(one.topic, one.origin.shard, [record])


def store(log: Log, url: str) -> Persist:
    """Store everything that is on the log now."""
    work = Persist(log, SHARDS, Stored(url, "a log"), until_end=True)
    work.run()
    return work
