"""What the live view says is what is on the log: counts, latency, lag."""

from pathlib import Path

import pytest

from cli.observe import SETTLED, Observer
from connectors.log import Log, NewRecord, open_log
from schemas.codec import encode
from schemas.origin import HEADER, Origin
from schemas.vector import FeatureVector

SECOND = 1_000_000


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Two shards with one event and one vector from before."""
    log = open_log(None, tmp_path, {})
    for topic in ("events", "features", "decisions", "signals", "account", "quality", "dead-letters"):
        log.create(topic, 2)
    events(log, 0, 1)
    vector(log, 0, event=0)
    return log


def events(log: Log, shard: int, count: int) -> None:
    log.append("events", shard, [NewRecord(b"X", b"{}", SECOND)] * count)


def vector(log: Log, shard: int, event: int, symbol: str = "X", mid: float | None = 1.0) -> None:
    origin = Origin(shard, event, 0)
    value = FeatureVector(symbol, SECOND, SECOND + 1, ["1s"], {"mid_price": mid}, "test", False, [], origin)
    header = ((HEADER, origin.header()),)
    log.append("features", shard, [NewRecord(symbol.encode(), encode(value), SECOND, header)])


def test_only_what_comes_after_the_start_counts(log: Log) -> None:
    observer = Observer(log, 2)
    events(log, 0, 3)
    events(log, 1, 2)
    vector(log, 0, event=2)
    log.append("quality", 0, [NewRecord(b"X", b"{}", SECOND)])
    log.append("dead-letters", 1, [NewRecord(b"X", b"{}", SECOND)] * 2)
    observer.watch(0.02)

    seen = observer.seen
    assert (seen.events, seen.vectors, seen.quality, seen.dead_letters) == (5, 1, 1, 2)
    assert list(seen.newest) == ["X"]


def test_latency_is_from_the_last_look_without_the_event_to_the_first_with_its_vector(log: Log) -> None:
    """Never understated; events from before the flow's first vector waited for its start, which is no latency."""
    observer = Observer(log, 2)
    events(log, 0, 1)
    observer.poll(10.0, 9.999)
    vector(log, 0, event=1)
    observer.poll(12.0, 11.999)
    assert not observer.seen.latency

    events(log, 0, 2)
    observer.poll(13.0, 12.998)
    vector(log, 0, event=3)
    observer.poll(13.01, 13.001)
    assert list(observer.seen.latency) == pytest.approx([13.01 - 12.998])

    events(log, 0, 1)
    vector(log, 0, event=4)
    observer.poll(14.0, 13.999)
    assert observer.seen.latency[-1] == pytest.approx(0.001)


def test_what_came_while_nobody_looked_is_no_sample(log: Log) -> None:
    """Drawing the screen takes longer than a vector."""
    observer = Observer(log, 2)
    vector(log, 0, event=0)
    observer.poll(9.0, 8.999)
    observer.seen.latency.clear()
    events(log, 0, 1)
    observer.poll(10.0, None)
    vector(log, 0, event=1)
    observer.poll(10.001, 10.0)
    assert not observer.seen.latency

    events(log, 0, 1)
    observer.poll(11.0, 10.999)
    vector(log, 0, event=2)
    observer.poll(11.1, None)
    assert not observer.seen.latency


def test_lag_is_what_should_have_a_vector_by_now(log: Log) -> None:
    """Vectors come once a second, so younger events are not late; a shard without symbols never has one."""
    observer = Observer(log, 2)
    events(log, 0, 5)
    events(log, 1, 7)
    observer.poll(10.0, 9.999)
    assert observer._behind(10.0 + SETTLED / 2) == 0
    assert observer._behind(10.1 + SETTLED) == 12  # nothing runs yet

    vector(log, 0, event=3)
    observer.poll(10.2, 10.199)
    assert observer._behind(10.1 + SETTLED) == 2

    vector(log, 0, event=5)
    observer.poll(10.3, 10.299)
    assert observer._behind(10.1 + SETTLED) == 0


def test_a_book_is_in_sync_when_it_has_a_mid_price(log: Log) -> None:
    observer = Observer(log, 2)
    vector(log, 0, event=0, symbol="X")
    vector(log, 0, event=0, symbol="Y", mid=None)
    observer.watch(0.01)

    assert (observer.seen.books_in_sync, len(observer.seen.newest)) == (1, 2)


def test_percentiles_of_nothing_are_unknown(log: Log) -> None:
    seen = Observer(log, 2).seen
    assert seen.percentile(0.5) is None

    seen.latency.extend([3.0, 1.0, 2.0])
    assert [seen.percentile(share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 2.0, 3.0, 3.0]
