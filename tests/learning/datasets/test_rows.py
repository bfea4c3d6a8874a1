"""Rows are what the live flow knew and what came of it: equal to brute force, from either source, to the bit."""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connectors.log import Log, NewRecord
from connectors.log.sqlite import SqliteLog
from learning.datasets import DatasetError, DatasetRequest, Span, TimeBased, build, matrix, read_split
from operators.features.catalogue import FEATURES as CATALOGUE
from operators.features.featureset import FeatureSet
from operators.registry.model import Entry, MinMax, Registry
from schemas.codec import encode
from schemas.learning import Target
from schemas.market import Gap, Tick, Trade
from schemas.topics import TOPICS
from tests.learning.datasets.session import (
    FEATURES,
    MINUTE,
    NAMES,
    REGISTRY,
    SECOND,
    SHARDS,
    SYMBOLS,
    Expected,
    at,
    make_log,
    request,
    rows_by_brute_force,
    write_events,
    write_features,
)

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""A whole session cannot be made smaller."""


def one_split(start: float, end: float, **changes) -> DatasetRequest:
    """Everything of a span in ``train``; what comes behind it does not matter."""
    plan = TimeBased(Span(at(start), at(end)), Span(at(end), at(end) + 1), Span(at(end) + 1, at(end) + 2))
    return request(plan=plan, leakage_check=False, **changes)


def rows_of(table: pa.Table) -> list[tuple]:
    """(ts, symbol, values with None, target), as Python numbers."""
    columns = [table.column("timestamp").cast(pa.int64()), *(table.column(name) for name in table.column_names[1:])]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def expected_rows(expected: list[Expected], target: Target) -> list[tuple]:
    def class_of(change: float) -> int:
        return (change > target.threshold) - (change < -target.threshold)

    return [
        (ts, symbol, *features.values(), class_of(change) if target.kind == "classification" else change)
        for ts, symbol, features, change in expected
    ]


@pytest.mark.req("FS-US-2.1", "FS-US-2.2", "FS-FR-007", "FS-FR-010", "FS-FR-011")
@pytest.mark.parametrize("source", ["events", "features"])
@settings(deadline=None, max_examples=6, phases=PHASES)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["classification", "regression"]))
def test_rows_equal_brute_force(tmp_path_factory, source, seed, kind):
    """Random sessions of three symbols on two shards, with silences, gaps, lost books, repeats and late events."""
    folder = tmp_path_factory.mktemp("rows")
    log = make_log(folder / "log", seed, seconds=500)
    asked = one_split(0, 7, target=Target(kind, 20, 0.001), source=source, every=3)

    expected = expected_rows(rows_by_brute_force(log, asked, at(0), at(7)), asked.target)
    try:
        build(log, SHARDS, asked, REGISTRY, folder / "set")
    except DatasetError:
        assert len({row[-1] for row in expected}) < 2
        return
    assert rows_of(read_split(folder / "set", "train")) == expected


@pytest.mark.req("FS-FR-008", "FS-FR-048", "FS-SC-002")
@pytest.mark.parametrize("every", [1, 7, 60])
def test_both_sources_give_the_same_files(session_log, tmp_path, every):
    """To the byte, metadata included: how they were built stands apart."""
    for source in ("events", "features", "auto"):
        build(session_log, SHARDS, request(every=every, source="auto" if source == "auto" else source), REGISTRY,
              tmp_path / source)  # fmt: skip

    replayed, read = files(tmp_path / "events"), files(tmp_path / "features")
    assert set(replayed) == {"train.parquet", "validation.parquet", "test.parquet"}
    assert replayed == read == files(tmp_path / "auto")
    assert b'"source": "features"' in (tmp_path / "auto" / "build.json").read_bytes()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".parquet"}


def test_where_a_build_begins_does_not_change_its_rows(session_log, tmp_path):
    """A split in the middle of a session is read from one look-back before it on, and finds the same rows."""
    build(session_log, SHARDS, one_split(0, 15), REGISTRY, tmp_path / "whole")
    few = Registry("few", REGISTRY.entries)
    build(session_log, SHARDS, one_split(13, 15), few, tmp_path / "late")

    whole = [row for row in rows_of(read_split(tmp_path / "whole", "train")) if row[0] >= at(13)]
    assert rows_of(read_split(tmp_path / "late", "train")) == whole


def test_a_restart_after_an_outage_taints_a_dataset_that_begins_behind_it(tmp_path):
    """The restart's gap stands before the tick that ends the outage: an hour before the look-back's begin."""
    log = SqliteLog(tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    back = at(120)
    before = [Tick(at(0)), *(trade(at(0) + second * SECOND) for second in range(1, 60))]
    clock = before[-1].recv
    lost = Gap("AAAA", back, clock, "trades", "collector restart", start=clock, end=back)
    after = [event for second in range(1, 200) for event in
             (Tick(back + second * SECOND), trade(back + second * SECOND))]  # fmt: skip
    for shard, events in ((0, [Tick(at(0))]), (1, [*before, lost, Tick(back), *after])):
        write_events(log, shard, events)
    write_features(log)
    asked = one_split(120, 123, symbols=("AAAA",), target=Target("regression", 5), every=1)

    for source in ("events", "features"):
        build(log, SHARDS, msgspec.structs.replace(asked, source=source), REGISTRY, tmp_path / source)
    replayed, read = (rows_of(read_split(tmp_path / source, "train")) for source in ("events", "features"))
    assert replayed == read
    assert min(row[0] for row in replayed) == back + MINUTE


def trade(time: int, symbol: str = "AAAA", price: float = 100.0) -> Trade:
    return Trade(symbol, time, time, str(time), "buy", price + time // SECOND % 7, 1.0)


def test_events_that_the_flow_refused_are_in_no_row_of_either_source(tmp_path):
    """A trade dated an hour ahead, and bytes that nobody can read."""
    log = SqliteLog(tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    events = [Tick(at(0)), *(trade(at(0) + second * SECOND) for second in range(1, 200))]
    events.insert(100, trade(at(60), price=5000.0))
    log.append("events", 0, [NewRecord(None, encode(Tick(at(0))), at(0))])
    log.append("events", 1, [NewRecord(None, encode(event), min(event.recv, at(4))) for event in events[:50]])
    log.append("events", 1, [NewRecord(None, b'{"type":"trade"', at(4))])
    log.append("events", 1, [NewRecord(None, encode(event), min(event.recv, at(4))) for event in events[50:]])
    write_features(log)
    asked = one_split(0, 3, symbols=("AAAA",), target=Target("regression", 5), every=1)

    for source in ("events", "features"):
        build(log, SHARDS, msgspec.structs.replace(asked, source=source), REGISTRY, tmp_path / source)
    replayed, read = (rows_of(read_split(tmp_path / source, "train")) for source in ("events", "features"))
    assert replayed == read
    assert len(replayed) > 150
    assert max(abs(row[-1]) for row in replayed) < 0.1


def test_a_row_a_minute_holds_what_a_row_a_second_holds_there(session_log, tmp_path):
    """Features that are not asked for every second are the same when they are."""
    build(session_log, SHARDS, one_split(0, 14, every=1), REGISTRY, tmp_path / "second")
    build(session_log, SHARDS, one_split(0, 14, every=60), REGISTRY, tmp_path / "minute")

    every = [row for row in rows_of(read_split(tmp_path / "second", "train")) if row[0] % MINUTE == 0]
    assert rows_of(read_split(tmp_path / "minute", "train")) == every


def test_a_choice_of_features_stands_in_the_registrys_order(session_log, tmp_path):
    """And has the values that it has among all of them."""
    build(session_log, SHARDS, one_split(0, 14), REGISTRY, tmp_path / "all")
    build(session_log, SHARDS, one_split(0, 14, features=("candle_body", "mid_price")), REGISTRY, tmp_path / "two")

    table = read_split(tmp_path / "two", "train")
    assert table.column_names == ["timestamp", "symbol", "mid_price", "candle_body", "target"]
    assert table.equals(read_split(tmp_path / "all", "train").select(table.column_names))


@pytest.mark.req("FS-FR-011.2")
def test_a_risk_adjusted_target_is_measured_in_past_volatility(session_log, tmp_path):
    """In the volatility that stood in the row's own vector; where that is not known there is no row."""
    returns = one_split(0, 14, target=Target("regression", 20))
    build(session_log, SHARDS, returns, REGISTRY, tmp_path / "return")
    build(session_log, SHARDS, one_split(0, 14, target=Target("risk_adjusted", 20)), REGISTRY, tmp_path / "risk")

    plain, risk = (read_split(tmp_path / name, "train") for name in ("return", "risk"))
    values, change = matrix(plain, ["volatility_1m"])
    known = ~np.isnan(values[:, 0])
    assert 0 < known.sum() < len(known)
    assert risk.drop_columns("target").equals(plain.filter(pa.array(known)).drop_columns("target"))
    assert np.array_equal(matrix(risk, [])[1], change[known] / values[known, 0])


def test_a_deviation_that_is_normalised_is_no_deviation(session_log, tmp_path):
    """A registry without one as it is computed cannot serve a risk-adjusted target, and the message says so."""
    entry = Entry("volatility_1m", CATALOGUE["volatility_1m"], (), 0, MinMax(0.0, 1.0))
    asked = one_split(0, 14, target=Target("risk_adjusted", 20))

    with pytest.raises(DatasetError, match="needs a deviation"):
        build(session_log, SHARDS, asked, Registry("few", (entry,)), tmp_path / "set")


def test_vectors_of_another_registry_are_not_read(tmp_path):
    """Neither of another version, nor of other content under the same version: then events are replayed."""
    log = make_log(tmp_path / "log", seconds=500, faults=False)
    asked = one_split(0, 7, source="auto")
    build(log, SHARDS, asked, REGISTRY, tmp_path / "right")
    other = Registry("few", tuple(Entry(name, CATALOGUE[name], (), 0, MinMax(0.0, 2.0)) for name in NAMES))
    for name, registry in (("version", Registry("many", REGISTRY.entries)), ("content", other)):
        build(log, SHARDS, asked, registry, tmp_path / name)

        assert b'"source": "events"' in (tmp_path / name / "build.json").read_bytes()
        with pytest.raises(DatasetError):
            build(log, SHARDS, msgspec.structs.replace(asked, source="features"), registry, tmp_path / "refused")
        assert not (tmp_path / "refused").exists()

    same, halved = (matrix(read_split(tmp_path / name, "train"), NAMES)[0] for name in ("right", "content"))
    assert np.array_equal(same / 2.0, halved, equal_nan=True)


def test_a_topic_that_does_not_reach_the_last_row_is_not_read(tmp_path):
    """The flow lags behind, or began in the middle."""
    for name, keep in (("lags", slice(0, 300)), ("began late", slice(300, None))):
        log = make_log(tmp_path / name / "log", seconds=500, faults=False)
        cut = SqliteLog(tmp_path / name / "cut")
        for topic in TOPICS:
            cut.create(topic.name, SHARDS, topic.cleanup)
        copy(log, cut, keep)
        asked = one_split(0, 7, source="auto")
        build(log, SHARDS, asked, REGISTRY, tmp_path / name / "whole")
        build(cut, SHARDS, asked, REGISTRY, tmp_path / name / "set")

        assert b'"source": "events"' in (tmp_path / name / "set" / "build.json").read_bytes()
        assert files(tmp_path / name / "set") == files(tmp_path / name / "whole")


def copy(log: Log, to: Log, keep: slice) -> None:
    for shard in range(SHARDS):
        for topic, part in (("events", slice(None)), ("features", keep)):
            reader = log.reader(topic, shard, 0)
            records = reader.poll(10**6)[part]
            reader.close()
            to.append(topic, shard, [NewRecord(one.key, one.value, one.timestamp, one.headers) for one in records])


def test_the_registry_that_is_compiled_alone_counts(session_log, tmp_path):
    """``FEATURES`` of the session is what the registry compiles to."""
    assert FeatureSet.compile(REGISTRY).names == FEATURES.names == NAMES
    assert request().symbols == SYMBOLS


def test_events_of_another_writer_count_whatever_the_order_of_their_fields(tmp_path):
    """The type of an event need not come first in its bytes."""
    log = SqliteLog(tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    log.append("events", 0, [NewRecord(None, encode(Tick(at(0))), at(0))])
    for event in [Tick(at(0)), *(trade(at(0) + second * SECOND) for second in range(1, 200))]:
        fields = msgspec.to_builtins(event)
        turned = msgspec.json.encode(dict(reversed(fields.items())))
        log.append("events", 1, [NewRecord(None, turned, event.recv)])
    write_features(log)
    asked = one_split(0, 3, symbols=("AAAA",), target=Target("regression", 5), every=1)

    for source in ("events", "features"):
        build(log, SHARDS, msgspec.structs.replace(asked, source=source), REGISTRY, tmp_path / source)
    replayed, read = (rows_of(read_split(tmp_path / source, "train")) for source in ("events", "features"))
    assert len(replayed) > 150
    assert replayed == read
    log.close()
