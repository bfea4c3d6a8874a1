"""``lockstep.load_features`` gives a notebook the numbers on the topic, and says what there is where it cannot."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

import lockstep
from cli import sessions
from connectors.log import NewRecord
from connectors.log.span import span
from connectors.log.sqlite import SqliteLog
from learning.datasets import CannotServe, DatasetError
from schemas.topics import TOPICS, shard_of
from tests.learning.datasets.session import NAMES, SECOND, SHARDS, at, make_log


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An installation's home, as the settings name it."""
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def log(home):
    made = make_log(sessions.current(home) / "log", seconds=300)
    yield made
    made.close()


def on_topic(log, symbol: str, start: int, end: int) -> list[dict]:
    """The bytes of the topic, read by Python's own JSON."""
    shard = shard_of(symbol, SHARDS)
    found = [json.loads(one.value) for one in span(log, "features", shard, 0, log.end("features", shard))]
    return [one for one in found if one["symbol"] == symbol and start <= one["ts"] < end]


def test_the_values_are_the_bytes_on_the_topic(log):
    """In both forms, for each second of [start, end)."""
    expected = on_topic(log, "BBBB", at(1), at(3))
    frame = lockstep.load_features("BBBB", at(1), at(3), "few")
    table = lockstep.load_features("BBBB", at(1), at(3), form="arrow")

    assert len(expected) > 60
    assert [int(time.timestamp() * SECOND) for time in frame.index] == [one["ts"] for one in expected]
    assert list(frame.columns) == ["tainted", *NAMES]
    assert frame["tainted"].tolist() == [one["tainted"] for one in expected]
    assert table.column("timestamp").cast(pa.int64()).to_pylist() == [one["ts"] for one in expected]
    for name in NAMES:
        values = [one["features"][name] for one in expected]
        assert table.column(name).to_pylist() == values
        assert np.array_equal(frame[name].to_numpy(), np.array(values, dtype=float), equal_nan=True)


def test_times_may_be_texts_and_datetimes(log):
    """Without a zone they are UTC."""
    start, end = (datetime.fromtimestamp(time // SECOND, UTC) for time in (at(1), at(2)))
    frame = lockstep.load_features("AAAA", at(1), at(2))

    assert frame.equals(lockstep.load_features("AAAA", start, end.replace(tzinfo=None)))
    assert frame.equals(lockstep.load_features("AAAA", start.isoformat(), f"{end:%Y-%m-%d %H:%M:%S}"))


def test_what_is_not_there_is_named(log):
    """Another version, another time, another symbol."""
    with pytest.raises(CannotServe, match=r"no vector of AAAA of registry version 9 .* there: few \(2023-11-14T"):
        lockstep.load_features("AAAA", at(1), at(2), "9")
    with pytest.raises(CannotServe, match="none at all"):
        lockstep.load_features("AAAA", at(100), at(200))
    with pytest.raises(CannotServe, match="none at all"):
        lockstep.load_features("NONE", at(1), at(2))


def test_several_versions_must_be_told_apart(home):
    """A registry was changed on the way: each version is loaded alone."""
    log = SqliteLog(sessions.current(home) / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    vectors = [
        {"type": "features", "symbol": "AAAA", "ts": at(1) + second * SECOND, "recv": at(2), "closes": [],
         "features": {f"old{second // 30}": 0.1 + second}, "feature_registry_version": str(second // 30),
         "tainted": False, "taint": [], "origin": [1, second, 0]}
        for second in range(60)
    ]  # fmt: skip
    log.append("features", 1, [NewRecord(b"AAAA", json.dumps(one).encode(), one["ts"]) for one in vectors])
    log.close()

    with pytest.raises(DatasetError, match=r"several registry versions there, say which: 0 \(.*\), 1 \("):
        lockstep.load_features("AAAA", at(1), at(3))
    frame = lockstep.load_features("AAAA", at(1), at(3), "1")
    assert frame["old1"].tolist() == [0.1 + second for second in range(30, 60)]


def test_a_fresh_installation_says_what_to_do(home):
    """There is no log yet."""
    with pytest.raises(CannotServe, match="no topic features: collect events and run a flow first"):
        lockstep.load_features("AAAA", at(1), at(2))
