"""The periods that a log can serve, against the times of all its events."""

from pathlib import Path
from random import Random

import pytest

from connectors.log import NewRecord, open_log
from learning.builds.periods import Served, periods
from schemas.topics import TOPICS, shard_of

MINUTE = 60_000_000
START = 1_700_000_000_000_000


@pytest.fixture
def log(tmp_path: Path):
    log = open_log(None, tmp_path)
    for topic in TOPICS:
        log.create(topic.name, 1)
    yield log
    log.close()


def write(log, symbol: str, times: list[int]) -> None:
    records = [NewRecord(None, f'{{"symbol":"{symbol}"}}'.encode(), time) for time in times]
    log.append("events", shard_of(symbol, 1), records)


def test_nothing_where_there_is_nothing(log) -> None:
    assert periods(log, "BTCUSDT") == []
    log.append("events", 0, [NewRecord(None, b'{"type":"strategy.configured"}', 1_000)])
    assert periods(log, "BTCUSDT") == []


@pytest.mark.req("FS-EC-11")
def test_a_gap_parts_two_periods_and_another_symbol_is_not_ours(log) -> None:
    """Settings at the head of the log, which have the oldest time there is, are no data."""
    log.append("events", 0, [NewRecord(None, b'{"type":"strategy.configured"}', 1_000)])
    hour = [START + number * 1_000_000 for number in range(0, 3600, 5)]
    write(log, "BTCUSDT", hour)
    write(log, "ETHUSDT", [START + 3600 * 1_000_000 + number * MINUTE for number in range(60)])
    write(log, "BTCUSDT", [time + 120 * MINUTE for time in hour])

    first, second = periods(log, "BTCUSDT")
    assert first.start == START
    assert abs(first.end - START - 60 * MINUTE) <= MINUTE
    assert abs(second.start - START - 120 * MINUTE) <= MINUTE
    assert abs(second.end - START - 180 * MINUTE) <= MINUTE
    assert periods(log, "BTCUSDT", START + 70 * MINUTE, START + 100 * MINUTE) == []
    assert periods(log, "BTCUSDT", START + 10 * MINUTE, START + 20 * MINUTE) == [
        Served(START + 10 * MINUTE, START + 20 * MINUTE)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_random_sessions_are_found_to_a_minute(log, seed: int) -> None:
    """Sessions of minutes with gaps of several minutes, an event every ten seconds: all are covered, gaps are not."""
    random, at, sessions = Random(seed), START, []
    for _ in range(random.randint(1, 6)):
        length = random.randint(3, 40)
        sessions.append((at, at + length * MINUTE))
        write(log, "BTCUSDT", [at + number * 10_000_000 for number in range(length * 6)])
        at += (length + random.randint(4, 60)) * MINUTE

    found = periods(log, "BTCUSDT")
    assert len(found) == len(sessions)
    for (start, end), served in zip(sessions, found, strict=True):
        assert abs(served.start - start) <= MINUTE
        assert abs(served.end - end) <= MINUTE
