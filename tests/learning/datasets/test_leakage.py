"""The leakage check: it lets honest rows pass and catches a feature of the future, however it came in."""

from array import array
from bisect import bisect_left

import pytest

from connectors.log import NewRecord
from connectors.log.span import span
from connectors.log.sqlite import SqliteLog
from learning.datasets import DatasetError, LeakageError, SplitInfo, build, load_metadata
from learning.datasets.apart import ensure_apart
from learning.datasets.cut import CutLog
from learning.datasets.leakage import Check
from learning.datasets.replayed import ShardRange, replayed
from learning.datasets.row import Columns, Row, RowMaker
from operators.features.featureset import FeatureSet
from schemas.codec import decode_event, decode_vector, encode
from schemas.market import Trade
from schemas.origin import HEADER
from schemas.topics import TOPICS
from tests.learning.datasets.session import (
    FEATURES,
    NAMES,
    REGISTRY,
    SECOND,
    SHARDS,
    at,
    make_log,
    messages_of,
    request,
)


class Peeking(FeatureSet):
    """The session's features, but ``volume_15s`` is the price of the first trade at least ``ahead`` later."""

    def __init__(self, log, ahead: int, shards: tuple[int, ...] = (0, 1)) -> None:
        super().__init__("few", [(entry.name, entry.feature, None) for entry in REGISTRY.entries])
        self.ahead = ahead
        trades = []
        for shard in shards:
            records = span(log, "events", shard, log.start("events", shard), log.end("events", shard))
            events = (decode_event(record.value or b"") for record in records)
            trades += [(event.recv, event.price) for event in events if isinstance(event, Trade)]
        self.trades = sorted(trades)

    def compute(self, view):
        place = bisect_left(self.trades, (view.t + self.ahead, 0.0))
        later = self.trades[place][1] if place < len(self.trades) else None
        return {**super().compute(view), "volume_15s": later}


@pytest.mark.req("FS-US-2.2", "TK-FS-27", "FS-FR-012", "FS-SC-003")
@pytest.mark.parametrize("ahead", [0, 1, 20])
def test_a_feature_that_reads_the_log_ahead_of_time_is_caught(session_log, tmp_path, ahead):
    """One microsecond is enough. Nothing is left of the build, and the message names feature, place and values."""
    with pytest.raises(LeakageError, match=r"leak: volume_15s of \w+ at \d+ .* depends on later events"):
        build(session_log, SHARDS, request(), REGISTRY, tmp_path / "set",
              compile=lambda log: Peeking(log, ahead * SECOND + 1))  # fmt: skip
    assert list(tmp_path.iterdir()) == []

    asked = request(leakage_check=False)
    metadata = build(session_log, SHARDS, asked, REGISTRY, tmp_path / "set",
                     compile=lambda log: Peeking(log, ahead * SECOND + 1))  # fmt: skip
    assert metadata.leakage == {"passed": None, "rows": []}


@pytest.mark.req("FS-US-2.2")
def test_a_feature_that_reads_only_the_past_passes(tmp_path):
    """The same lookup in the other direction is no leak, where no trade comes late; the check did compare rows."""
    log = make_log(tmp_path / "log", seconds=900, faults=False)

    class Honest(Peeking):
        def compute(self, view):
            place = bisect_left(self.trades, (view.t, 0.0))
            return {**FEATURES.compute(view), "volume_15s": self.trades[place - 1][1] if place else None}

    metadata = build(log, SHARDS, request(symbols=("AAAA", "BBBB")), REGISTRY, tmp_path / "set",
                     compile=lambda log: Honest(log, 0, (1,)))  # fmt: skip
    assert metadata.leakage["passed"]
    assert len(metadata.leakage["rows"]) == request().samples
    log.close()


@pytest.mark.req("FS-US-2.2")
def test_vectors_that_somebody_wrote_with_the_future_in_them_are_caught(tmp_path):
    """On the topic of features, under the right version: read alone they are refused, otherwise events count."""
    log = make_log(tmp_path / "log", seconds=900)
    spoilt = SqliteLog(tmp_path / "spoilt")
    for topic in TOPICS:
        spoilt.create(topic.name, SHARDS, topic.cleanup)
    for shard in range(SHARDS):
        events = [(decode_event(value or b""), value) for _, value in messages_of(log, shard)]
        spoilt.append("events", shard, [NewRecord(None, value, event.recv) for event, value in events])
        vectors = [
            decode_vector(one.value or b"") for one in span(log, "features", shard, 0, log.end("features", shard))
        ]
        for vector, later in zip(vectors, vectors[30:], strict=False):
            vector.features["mid_price"] = later.features["mid_price"]
        spoilt.append("features", shard, [
            NewRecord(one.symbol.encode(), encode(one), one.ts, ((HEADER, one.origin.header()),)) for one in vectors
        ])  # fmt: skip

    with pytest.raises(LeakageError, match="leak: mid_price"):
        build(spoilt, SHARDS, request(source="features", leakage_check=False), REGISTRY, tmp_path / "set")
    build(spoilt, SHARDS, request(source="auto"), REGISTRY, tmp_path / "set")
    build(log, SHARDS, request(source="auto"), REGISTRY, tmp_path / "clean")
    assert load_metadata(tmp_path / "set").digest == load_metadata(tmp_path / "clean").digest
    log.close()
    spoilt.close()


@pytest.fixture(scope="module")
def rows(session_log) -> list[Row]:
    """Rows of one shard, a few minutes in."""
    return made(session_log, Columns(NAMES, None))


def made(log, columns: Columns) -> list[Row]:
    asked = request()
    maker = RowMaker(("AAAA", "BBBB"), columns, asked.target, asked.every, at(3), at(9))
    return list(replayed(log, ShardRange(1, 0, log.end("events", 1)), FEATURES, maker, lambda _: None))[::2]


def check(log) -> Check:
    return Check(log, lambda _: FEATURES, Columns(NAMES, None), request())


def test_every_row_of_a_session_passes(session_log, rows):
    """Rows in the order of the log, so that one warm-up serves many, and in any other."""
    assert len(check(session_log).rows(rows, lambda _: None)["rows"]) == len(rows) > 10
    assert check(session_log).rows(rows[:6][::-1], lambda _: None)["passed"]


@pytest.mark.req("FS-US-2.2")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row._replace(values=array("d", [*row.values[:-1], 0.123])),
        lambda row: row._replace(target=1.0 if row.target != 1 else -1.0),
        lambda row: row._replace(change=row.change + 1e-15),
        lambda row: row._replace(ts=row.ts + SECOND),
        lambda row: row._replace(matured=row.seen),
    ],
    ids=["feature", "target", "return", "time", "order"],
)
def test_a_spoilt_row_is_caught(session_log, rows, spoil):
    """Whatever of it is wrong."""
    with pytest.raises(LeakageError):
        check(session_log).rows([spoil(rows[3])], lambda _: None)


def test_the_check_reads_nothing_behind_the_row(session_log, rows):
    """It passes on a log that ends where the row's target was known."""
    row = rows[3]
    cut = CutLog(session_log, row.shard, row.matured)

    assert check(cut).rows([row], lambda _: None)["passed"]


@pytest.mark.req("TK-FS-27")
def test_a_feature_that_foretells_the_return_is_a_leak(tmp_path):
    """Even where it can be computed again: here the market itself says at t what it will do."""
    from learning.datasets.quality import Quality

    quality = Quality(("honest", "told"))
    for place in range(200):
        change = ((place * 37) % 101 - 50) / 1000
        quality.add(array("d", [float(place % 7), 5 + 3 * change]), change, 0.0)

    assert set(quality.foretelling()) == {"told"}


@pytest.mark.req("FS-US-2.2")
def test_splits_that_touch_are_a_leak():
    """The newest target of train may be known when validation begins, and not after."""

    def info(first: int, last: int) -> SplitInfo:
        return SplitInfo(start=0, end=0, rows=1, first=first, last=last)

    ensure_apart([("train", info(0, 80)), ("validation", info(100, 200)), ("test", info(220, 300))], 20)
    ensure_apart([("fold_0/train", info(0, 80)), ("fold_1/train", info(10, 90))], 20)
    with pytest.raises(LeakageError, match="newest target of train is of 101, and validation begins at 100"):
        ensure_apart([("train", info(0, 81)), ("validation", info(100, 200))], 20)
    with pytest.raises(LeakageError, match=r"of fold_2/train .* fold_2/test"):
        ensure_apart([("fold_2/train", info(0, 81)), ("fold_2/test", info(100, 200))], 20)


def test_a_leak_is_a_reason_not_to_have_a_dataset():
    """Callers that catch ``DatasetError`` see it too."""
    assert issubclass(LeakageError, DatasetError)
