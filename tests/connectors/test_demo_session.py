"""A demo session that is written to a log piece by piece."""

from pathlib import Path

from connectors.demo.feed import START, DemoFeed
from connectors.demo.market import Market
from connectors.demo.session import Session
from connectors.log.sqlite import SqliteLog
from dataflows.collect import collect
from dataflows.digest import digest
from operators.keyframe import Keyframes

SECOND = 1_000_000
SYMBOLS = ["BTCUSDT", "ETHUSDT"]


def written(folder: Path, seconds: int, piece: int) -> str:
    """The digest of the events of a session written in pieces of some seconds."""
    log = SqliteLog(folder)
    for topic in ("events", "dead-letters"):
        log.create(topic, 2)
    session = Session(Market(SYMBOLS, 3, START, 0.3), log, 2, Keyframes().feed)
    for second in range(piece, seconds + 1, piece):
        session.until(START + second * SECOND)
    assert log.end("dead-letters", 0) == log.end("dead-letters", 1) == 0
    return digest(log, "events", 2)


def test_the_pieces_do_not_matter(tmp_path):
    assert written(tmp_path / "one", 60, 60) == written(tmp_path / "many", 60, 4)


async def collected(log: SqliteLog, seconds: int) -> None:
    feed = DemoFeed(SYMBOLS, 3, speed=None, seconds=seconds, rate=0.3)
    await collect(feed, log, 2, enrich=Keyframes().feed)


def test_a_collector_writes_the_same(tmp_path):
    """But for the end: a collector ends the second that had begun, a session says where it is."""
    import asyncio

    log = SqliteLog(tmp_path / "collected")
    asyncio.run(collected(log, 60))
    written(tmp_path / "session", 60, 7)
    session = SqliteLog(tmp_path / "session")

    for shard in range(2):
        ours, theirs = (
            [value for _, value in found.reader("events", shard, 0).poll_raw(100_000)] for found in (session, log)
        )
        assert len(ours) > 500
        assert ours == theirs[: len(ours)]
