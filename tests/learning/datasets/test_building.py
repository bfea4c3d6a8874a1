"""Whole datasets: files, metadata, empty splits, folds, refusals, pause and cancel, and the digest of a build."""

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from connectors.log import NewRecord, open_log
from connectors.log.prefixed import PrefixedLog
from connectors.log.span import span
from connectors.log.sqlite import SqliteLog
from learning.datasets import (
    Cancelled,
    CannotServe,
    DatasetError,
    DatasetRequest,
    Progress,
    Random,
    Span,
    TimeBased,
    WalkForward,
    build,
    load_metadata,
    matrix,
    read_split,
)
from operators.spans import DAY
from schemas.learning import Target
from schemas.topics import TOPICS
from tests.learning.datasets.session import NAMES, REGISTRY, SECOND, SHARDS, SYMBOLS, at, make_log, request

SPLITS = ("train", "validation", "test")
DIGEST = "ddd04f60e2dadc2797eff4ec75dd61f20526c2dc32caa6c469584d2ca89b9515"


def times(table: pa.Table) -> list[int]:
    return table.column("timestamp").cast(pa.int64()).to_pylist()


@pytest.mark.req("FS-US-2.1", "FS-US-2.3", "FS-FR-009", "FS-FR-013", "FS-FR-050")
def test_a_dataset_of_three_periods(session_log, tmp_path):
    """Files, columns, counts and metadata agree, and every row lies in its period."""
    metadata = build(session_log, SHARDS, request(), REGISTRY, tmp_path / "set")

    assert metadata == load_metadata(tmp_path / "set")
    assert metadata.feature_registry_version == "few"
    assert metadata.symbols == SYMBOLS
    assert metadata.leakage["passed"]
    for split in SPLITS:
        table, info = read_split(tmp_path / "set", split), metadata.split(split)
        assert table.column_names == ["timestamp", "symbol", *NAMES, "target"]
        assert table.num_rows == info.rows == sum(info.symbols.values()) == info.period.rows
        order = list(zip(times(table), table.column("symbol").to_pylist(), strict=True))
        assert order == sorted(set(order))
        assert all(info.start <= ts and ts + 20 * SECOND <= info.end for ts, _ in order)
        about = json.loads(pq.read_schema(tmp_path / "set" / f"{split}.parquet").metadata[b"lockstep"])
        assert about["registry_digest"] == metadata.registry_digest
    assert pq.ParquetFile(tmp_path / "set" / "train.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_same_request_gives_the_same_files(session_log, tmp_path):
    """Also where something else stood before; how the build went stands apart."""
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "old").touch()
    for name in ("one", "two"):
        build(session_log, SHARDS, request(), REGISTRY, tmp_path / name)

    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert set(one) == {"train.parquet", "validation.parquet", "test.parquet", "metadata.json", "build.json"}
    del one["build.json"], two["build.json"]
    assert one == two


def test_the_log_may_grow_behind_a_dataset(tmp_path):
    """What came after the last period changes nothing in its files."""
    short, long = make_log(tmp_path / "short", seconds=960), make_log(tmp_path / "long", seconds=1200)
    for name, log in (("one", short), ("two", long)):
        build(log, SHARDS, request(), REGISTRY, tmp_path / name)

    one, two = load_metadata(tmp_path / "one"), load_metadata(tmp_path / "two")
    assert one == two


def test_the_digest_of_a_build(tmp_path):
    """The rows of this session, to the bit: a change of it is a change of what everybody trains on."""
    log = make_log(tmp_path / "log", seed=7, seconds=900, faults=False)
    build(log, SHARDS, request(format="csv", plan=periods(8, 11, 14)), REGISTRY, tmp_path / "set")

    lines = (tmp_path / "set" / "train.csv").read_text().splitlines()
    assert len(lines) > 200
    assert load_metadata(tmp_path / "set").digest == DIGEST


def periods(train: float, validation: float, test: float, start: float = 0) -> TimeBased:
    return TimeBased(Span(at(start), at(train)), Span(at(train), at(validation)), Span(at(validation), at(test)))


def test_csv_holds_what_parquet_holds(session_log, tmp_path):
    """To the bit: numbers are written so that they are read back the same."""
    for kind in ("parquet", "csv"):
        build(session_log, SHARDS, request(format=kind), REGISTRY, tmp_path / kind)
    for split in SPLITS:
        assert read_split(tmp_path / "csv", split).equals(read_split(tmp_path / "parquet", split))
    header = csv.read_csv(tmp_path / "csv" / "train.csv").column_names
    assert header == ["timestamp", "symbol", *NAMES, "target"]


@pytest.mark.req("TK-FS-03", "FS-FR-014", "FS-FR-014.1")
def test_walk_forward_keeps_every_fold_and_reports_those_it_skipped(session_log, tmp_path):
    """Each fold is the dataset that its own periods would give."""
    minute = 60 * SECOND / DAY
    plan = WalkForward(at(0), at(14), 4 * minute, 2 * minute, 2 * minute, 2 * minute, min_train_samples=1)
    metadata = build(session_log, SHARDS, request(plan=plan), REGISTRY, tmp_path / "set")

    assert metadata.folds == [0, 1, 2, 3]
    for fold in metadata.folds:
        start = 2 * fold
        alone = build(session_log, SHARDS, request(plan=periods(start + 4, start + 6, start + 8, start)), REGISTRY,
                      tmp_path / f"alone{fold}")  # fmt: skip
        for split in SPLITS:
            assert read_split(tmp_path / "set", split, fold).equals(read_split(tmp_path / f"alone{fold}", split))
            assert metadata.split(split, fold).target == alone.split(split).target

    most = max(metadata.split("train", fold).rows for fold in metadata.folds)
    fewer = msgspec.structs.replace(plan, min_train_samples=most)
    metadata = build(session_log, SHARDS, request(plan=fewer), REGISTRY, tmp_path / "set")
    assert metadata.skipped_folds
    assert len(metadata.folds) + len(metadata.skipped_folds) == 4
    assert {path.name for path in (tmp_path / "set").glob("fold_*")} == {f"fold_{fold}" for fold in metadata.folds}


@pytest.mark.req("FS-FR-014.3")
def test_random_splits_hold_every_row_once_in_order(session_log, tmp_path):
    """For tests only, which a note says."""
    whole = TimeBased(Span(at(0), at(14)), Span(at(14), at(14) + 1), Span(at(14) + 1, at(14) + 2))
    build(session_log, SHARDS, request(plan=whole), REGISTRY, tmp_path / "whole")
    metadata = build(session_log, SHARDS, request(plan=Random(at(0), at(14))), REGISTRY, tmp_path / "set")

    tables = [read_split(tmp_path / "set", split) for split in SPLITS]
    assert all(times(table) == sorted(times(table)) for table in tables)
    together = pa.concat_tables(tables).sort_by([("timestamp", "ascending"), ("symbol", "ascending")])
    assert together.combine_chunks().equals(read_split(tmp_path / "whole", "train").combine_chunks())
    assert any("for tests only" in note for note in metadata.notes)


@pytest.mark.req("TK-FS-04")
def test_an_empty_split_is_reported_and_not_an_error(session_log, tmp_path, capsys):
    """With the dataset, the symbol, the period and the reason, in the log and the metadata; 0 rows, no file."""
    asked = request(plan=TimeBased(
        Span(at(0), at(8)), Span(at(8), at(8) + 10 * SECOND), Span(at(600), at(610))))  # fmt: skip
    metadata = build(session_log, SHARDS, asked, REGISTRY, tmp_path / "set")

    reasons = {(one.split, one.symbol): one.reason for one in metadata.empty_splits}
    assert [reasons["test", symbol] for symbol in SYMBOLS] == ["no_data_in_period"] * 3
    assert "insufficient_historical_data" in {reasons["validation", symbol] for symbol in SYMBOLS}
    assert metadata.empty_test
    assert metadata.split("test").rows == 0
    assert not (tmp_path / "set" / "test.parquet").exists()
    assert read_split(tmp_path / "set", "test").schema.names == ["timestamp", "symbol", *NAMES, "target"]
    said = capsys.readouterr().out
    assert "dataset.empty_split" in said
    assert "no_data_in_period" in said


def test_a_period_of_gaps_is_told_from_one_without_data(tmp_path):
    """A lost trade channel taints a minute: a split that lies in it has moments, and no row."""
    log = make_log(tmp_path / "log", seed=3, seconds=900)
    plan = TimeBased(Span(at(0), at(12)), Span(at(12), at(13)), Span(at(13), at(14)))
    metadata = build(log, SHARDS, request(plan=plan, every=1), REGISTRY, tmp_path / "set")

    lost = metadata.split("train").lost
    assert lost["tainted"] > 0
    for empty in metadata.empty_splits:
        assert empty.reason in {"data_gap", "no_data_in_period", "insufficient_historical_data"}


def test_what_the_log_cannot_serve_names_what_it_can(session_log, tmp_path):
    """By symbol; nothing is left of the attempt."""
    asked = request(plan=periods(608, 611, 614, 600), symbols=(*SYMBOLS, "NONE"))

    with pytest.raises(CannotServe) as error:
        build(session_log, SHARDS, asked, REGISTRY, tmp_path / "set")
    begin = datetime.fromtimestamp((at(0) - 40 * SECOND) // SECOND, UTC)
    assert f"AAAA: {begin:%Y-%m-%dT%H:%M}" in str(error.value)
    assert "NONE: nothing" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_log_serves_nothing(tmp_path):
    """Without any event, and without the topic of features."""
    log = SqliteLog(tmp_path / "log")
    log.create("events", SHARDS)
    with pytest.raises(CannotServe, match="AAAA: nothing; BBBB: nothing; CCCC: nothing"):
        build(log, SHARDS, request(source="auto"), REGISTRY, tmp_path / "set")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "hdf5"}, "hdf5 is not written"),
        ({"format": "xml"}, "'xml' is none of"),
        ({"symbols": ()}, "name at least one"),
        ({"symbols": ("AAAA", "AAAA")}, "named twice"),
        ({"features": ("mid_price", "magic")}, "has no 'magic'"),
        ({"target": Target("risk_adjusted"), "features": ("mid_price",)}, None),
        ({"plan": TimeBased(Span(at(2), at(1)), Span(at(2), at(3)), Span(at(3), at(4)))}, "train: its start"),
        ({"plan": TimeBased(Span(at(0), at(2)), Span(at(1), at(3)), Span(at(3), at(4)))}, "validation begins before"),
        ({"plan": WalkForward(at(0), at(1), 1, 1, 1)}, "not even one fold"),
        ({"plan": Random(at(0), at(1), 0.9, 0.9)}, "more than 1"),
        ({"plan": Random(at(1), at(1))}, "not before its end"),
    ],
)
def test_a_request_without_an_answer_says_why(session_log, tmp_path, changes, message):
    """Before anything is read."""
    if message is None:
        build(session_log, SHARDS, request(**changes), REGISTRY, tmp_path / "set")
        return
    with pytest.raises(DatasetError, match=message):
        build(session_log, SHARDS, request(**changes), REGISTRY, tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_build_leaves_nothing_and_keeps_what_was_there(session_log, tmp_path):
    """It stops at the next batch."""
    build(session_log, SHARDS, request(), REGISTRY, tmp_path / "set")
    before = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}
    seen: list[Progress] = []

    with pytest.raises(Cancelled):
        build(session_log, SHARDS, request(), REGISTRY, tmp_path / "set", progress=seen.append,
              cancelled=lambda: len(seen) == 2)  # fmt: skip
    assert len(seen) == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_paused_build_goes_on_where_it_was(session_log, tmp_path):
    """It waits at a batch, still hears of a cancellation, and gives the same dataset."""
    answers = iter([True, True, False])
    seen: list[Progress] = []
    paused = build(session_log, SHARDS, request(), REGISTRY, tmp_path / "one", progress=seen.append,
                   paused=lambda: next(answers, False))  # fmt: skip

    assert next(answers, None) is None
    assert paused == build(session_log, SHARDS, request(), REGISTRY, tmp_path / "two")
    assert [one.phase for one in seen] == sorted((one.phase for one in seen), reverse=True)
    assert all(0 < one.done <= one.total for one in seen)
    assert seen[-1].rows == sum(info.rows for info in paused.splits.values())

    with pytest.raises(Cancelled):
        build(session_log, SHARDS, request(), REGISTRY, tmp_path / "one", paused=lambda: True, cancelled=_second_time())


def _second_time():
    answers = iter([False, True])
    return lambda: next(answers)


def test_matrix_gives_numpy_what_the_table_holds(session_log, tmp_path):
    """Unknown features are NaN; a feature that is not there is named."""
    build(session_log, SHARDS, request(), REGISTRY, tmp_path / "set")
    table = read_split(tmp_path / "set", "train")
    values, labels = matrix(table, NAMES[::-1])

    assert values.dtype == np.float64
    assert labels.dtype == np.int8
    for place, name in enumerate(NAMES[::-1]):
        column = [np.nan if value is None else value for value in table.column(name).to_pylist()]
        assert np.array_equal(values[:, place], column, equal_nan=True)
    with pytest.raises(KeyError, match="no feature 'magic'"):
        matrix(table, ["magic"])
    with pytest.raises(KeyError, match="'fold_0/train'"):
        read_split(tmp_path / "set", "train", 0)


def test_one_class_is_nothing_to_learn(session_log, tmp_path):
    """A threshold that no move passes leaves one class, and the build says so."""
    with pytest.raises(DatasetError, match="one class, 0"):
        build(session_log, SHARDS, request(target=Target(horizon=20, threshold=0.5)), REGISTRY, tmp_path / "set")


def test_a_request_survives_json(tmp_path: Path):
    """As the API and the queue keep it."""
    asked = request(plan=WalkForward(at(0), at(1), 1, 1, 1), features=("mid_price",))

    assert msgspec.json.decode(msgspec.json.encode(asked), type=DatasetRequest) == asked
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"symbols": ["AAAA"], "plan": {"strategy": "time_based"}}', type=DatasetRequest)


def test_all_topics_of_the_session_exist(session_log):
    """The session is a whole log."""
    assert {topic.name for topic in session_log.topics()} == {topic.name for topic in TOPICS}


@pytest.mark.kafka
def test_both_homes_of_the_log_give_the_same_dataset(kafka_bootstrap, session_log, tmp_path):
    """What stands on Kafka is what stands in the embedded log."""
    log = PrefixedLog(open_log(kafka_bootstrap, tmp_path), f"{tmp_path.name}.")
    try:
        for topic in ("events", "features", "quality", "dead-letters"):
            log.create(topic, SHARDS)
            for shard in range(SHARDS):
                records = span(session_log, topic, shard, 0, session_log.end(topic, shard))
                log.append(topic, shard, [NewRecord(one.key, one.value, one.timestamp, one.headers) for one in records])
        for source in ("events", "features"):
            build(log, SHARDS, request(source=source), REGISTRY, tmp_path / source)
    finally:
        log.close()
    expected = build(session_log, SHARDS, request(), REGISTRY, tmp_path / "embedded")
    assert load_metadata(tmp_path / "events") == expected
    assert load_metadata(tmp_path / "features").digest == expected.digest
