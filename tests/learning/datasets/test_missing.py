"""Features without a value: what each choice makes of them, and that none looks ahead or across a split."""

from array import array
from math import isnan, nan

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.datasets import DatasetError, build, load_metadata, matrix, read_split
from learning.datasets.missing import Filler
from learning.datasets.row import Columns, RowMaker
from operators.engine import Engine
from operators.market import MarketStage
from schemas.codec import decode_event, decode_vector
from schemas.learning import Target
from schemas.market import Gap, Trade
from schemas.origin import Origin
from schemas.topics import shard_of
from schemas.vector import FeatureVector
from tests.learning.datasets.session import (
    FEATURES,
    NAMES,
    REGISTRY,
    SECOND,
    SHARDS,
    SYMBOLS,
    messages_of,
    request,
)

SERIES = st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=1, max_size=40)


def filled(how: str, limit: int, series: list[float], step: int = 5) -> list[float]:
    filler = Filler(how, limit, ("a",))
    rows = [filler.fill(place * step * SECOND, "X", array("d", [value])) for place, value in enumerate(series)]
    return [row[0] for row in rows if row is not None]


def floats(series: list[int | None]) -> list[float]:
    return [nan if value is None else float(value) for value in series]


@pytest.mark.req("TK-FS-32")
@given(SERIES, st.integers(1, 6))
def test_forward_fill_is_pandas_ffill(series, steps):
    """With the limit as so many rows."""
    expected = pd.Series(floats(series)).ffill(limit=steps).to_numpy()

    assert np.array_equal(filled("forward_fill", steps * 5, floats(series)), expected, equal_nan=True)


@pytest.mark.req("TK-FS-32")
@given(SERIES, st.integers(1, 6))
def test_extrapolation_goes_on_along_the_line_through_the_last_two(series, steps):
    """By numpy's line through two points, and only from the past."""
    values = floats(series)
    expected = []
    for place, value in enumerate(values):
        known = [at for at in range(place) if not isnan(values[at])][-2:]
        if isnan(value) and len(known) == 2 and place - known[1] <= steps and known[1] - known[0] <= steps:
            value = np.polyval(np.polyfit(known, [values[at] for at in known], 1), place)
        expected.append(value)

    assert np.allclose(filled("extrapolate", steps * 5, values), expected, equal_nan=True)


@pytest.mark.req("TK-FS-32")
@given(SERIES, st.integers(1, 6))
def test_interpolation_is_that_of_pandas_where_both_ends_are_near_enough(series, steps):
    """Linear in time, between two known values of which the later is at most the limit after the earlier."""
    values = pd.Series(floats(series))
    known = pd.Series(np.where(values.isna(), np.nan, np.arange(len(values))))
    near = known.bfill() - known.ffill() <= steps
    expected = values.where(values.notna() | ~near, values.interpolate("linear", limit_area="inside"))

    assert np.allclose(filled("interpolate", steps * 5, floats(series)), expected.to_numpy(), equal_nan=True)


@pytest.mark.req("TK-FS-32")
@given(SERIES, st.sampled_from(["forward_fill", "extrapolate", "skip", "null"]), st.integers(0, 40))
def test_no_choice_but_interpolation_looks_ahead(series, how, cut):
    """What was filled in before a row does not change when the rows from there on are others."""
    values = floats(series)
    before = filled(how, 60, values[:cut])
    after = filled(how, 60, [*values[:cut], 5.0, nan, 7.0])

    assert np.array_equal(before, after[: len(before)], equal_nan=True)


@pytest.mark.req("TK-FS-32")
@given(
    st.lists(st.tuples(st.integers(1, 30), st.one_of(st.none(), st.integers(-9, 9))), min_size=1, max_size=30),
    st.lists(st.integers(0, 400), max_size=3),
    st.integers(1, 120),
    st.sampled_from(["forward_fill", "extrapolate", "interpolate"]),
)
def test_nothing_is_filled_in_across_a_break_or_from_further_than_the_limit(steps, breaks, limit, how):
    """Cutting the rows at each break and filling the parts alone gives the same; and every filled value has the value
    that it came from within the limit. Rows come at any distance."""
    times = np.cumsum([step for step, _ in steps]).tolist()
    values = floats([value for _, value in steps])
    broken = [max((at for at in breaks if at <= ts), default=-1) for ts in times]
    whole = fill_at(how, limit, times, values, [at * SECOND if at >= 0 else -1 for at in broken])
    parts = []
    for at in sorted(set(broken)):
        chosen = [place for place, other in enumerate(broken) if other == at]
        # A value that is known at the very moment of a break belongs to what was before it.
        last = [place for place in chosen if times[place] == at]
        assert len(last) <= 1
        parts += fill_at(how, limit, [times[p] for p in chosen], [nan if p in last else values[p] for p in chosen])
        for place in last:
            parts[place] = values[place]

    assert np.allclose(whole, parts, equal_nan=True)
    for ts, value, result in zip(times, values, whole, strict=True):
        if isnan(value) and not isnan(result):
            assert any(0 < ts - at <= limit for at, known in zip(times, values, strict=True) if not isnan(known))


def fill_at(how, limit, times, values, broken=None):
    filler = Filler(how, limit, ("a",))
    broken = broken or [-1] * len(times)
    rows = [filler.fill(ts * SECOND, "X", array("d", [value]), until)
            for ts, value, until in zip(times, values, broken, strict=True)]  # fmt: skip
    found = [row[0] for row in rows]
    assert filler.missing["a"] == sum(map(isnan, values))
    assert filler.filled["a"] == sum(isnan(value) and not isnan(now) for value, now in zip(values, found, strict=True))
    return found


@pytest.mark.req("TK-FS-32")
@given(SERIES, st.integers(1, 6), st.integers(1, 5))
def test_interpolated_rows_are_written_when_they_are_settled(series, steps, every):
    """What ``settled`` lets go does not change any more."""
    filler = Filler("interpolate", steps * 5, ("a",))
    held, written = [], []
    for place, value in enumerate(floats(series)):
        ts = place * 5 * SECOND
        held.append((ts, filler.fill(ts, "X", array("d", [value]))))
        if place % every == 0:
            done = [row for row in held if row[0] < filler.settled(ts)]
            written += [row[1][0] for row in done]
            held = held[len(done) :]
    written += [row[0] for _, row in held]

    assert np.array_equal(written, filled("interpolate", steps * 5, floats(series)), equal_nan=True)


@pytest.mark.req("TK-FS-32")
def test_interpolation_is_refused_where_leaks_are_checked_and_marked_where_it_is_allowed(session_log, tmp_path):
    """It tells of the future: the metadata says so, and which features it touched how often."""
    with pytest.raises(DatasetError, match=r"interpolate looks ahead.*forward_fill or extrapolate"):
        build(session_log, SHARDS, request(missing="interpolate"), REGISTRY, tmp_path / "refused")
    asked = request(missing="interpolate", limit=60, leakage_check=False)
    made = build(session_log, SHARDS, asked, REGISTRY, tmp_path / "made")
    plain = build(session_log, SHARDS, request(), REGISTRY, tmp_path / "plain")

    assert made.look_ahead and any("interpolated" in note for note in made.notes)
    assert not plain.look_ahead
    assert sum(made.split("train").filled.values()) > 0
    for split in ("train", "validation", "test"):
        before, _ = matrix(read_split(tmp_path / "plain", split), NAMES)
        after, _ = matrix(read_split(tmp_path / "made", split), NAMES)
        info = made.split(split)
        assert np.array_equal(before[~np.isnan(before)], after[~np.isnan(before)])
        for place, name in enumerate(NAMES):
            lacking, left = (int(np.isnan(rows[:, place]).sum()) for rows in (before, after))
            assert (info.missing.get(name, 0), info.filled.get(name, 0)) == (lacking, lacking - left)


@pytest.mark.req("TK-FS-32")
@pytest.mark.parametrize(
    ("changes", "why"),
    [({"limit": 601}, "600 s at most, not 601"), ({"limit": 4}, "nothing would be filled in")],
)
def test_a_limit_that_makes_no_sense_is_refused(session_log, tmp_path, changes, why):
    with pytest.raises(DatasetError, match=why):
        build(session_log, SHARDS, request(missing="forward_fill", **changes), REGISTRY, tmp_path / "refused")


@pytest.mark.req("TK-FS-32")
def test_a_row_knows_when_its_data_were_last_broken():
    """By a tainted vector, also between rows, or by a gap of any channel; of its own symbol alone."""
    columns, target = Columns(("a",), None), Target("regression", horizon=1)
    maker = RowMaker(("X",), columns, target, every=5, first=10 * SECOND, end=100 * SECOND)
    gap = Gap("X", 22 * SECOND, 22 * SECOND, "kline", "lost", start=20 * SECOND, end=23 * SECOND)
    other = Gap("Y", 27 * SECOND, 27 * SECOND, "kline", "lost", start=26 * SECOND, end=27 * SECOND)
    events = {3: [], 12: [], 22: [gap], 27: [other]}
    for second in range(1, 41):
        maker.feed(Trade("X", second * SECOND, second * SECOND, str(second), "buy", 1.0, 1.0))
        for event in events.get(second, []):
            maker.feed(event)
        tainted = second in (3, 12)
        vector = FeatureVector("X", second * SECOND, second * SECOND, ["1s"], {"a": 1.0}, "1", tainted, [],
                               Origin(0, second, 0))  # fmt: skip
        maker.feed(vector)

    assert {row.ts // SECOND: row.broken // SECOND for row in maker.made} == {
        10: 3, 15: 12, 20: 12, 25: 23, 30: 23, 35: 23,
    }  # fmt: skip


@pytest.mark.req("TK-FS-32")
def test_no_value_of_a_dataset_is_filled_in_across_a_gap_or_a_tainted_vector(session_log, tmp_path):
    """By looking at the whole log: between a filled value and the one it repeats nothing was broken."""
    asked = request(missing="forward_fill", limit=120)
    build(session_log, SHARDS, asked, REGISTRY, tmp_path / "filled")
    build(session_log, SHARDS, request(), REGISTRY, tmp_path / "plain")
    across = 0
    for split in ("train", "validation", "test"):
        plain, found = (read_split(tmp_path / name, split).to_pandas() for name in ("plain", "filled"))
        for symbol in SYMBOLS:
            ours = plain["symbol"] == symbol
            times = micros(plain.loc[ours, "timestamp"])
            for name in NAMES:
                before, after = (frame.loc[ours, name].to_numpy() for frame in (plain, found))
                across += _check_column(times, before, after, broken_times(session_log, symbol))

    assert across > 0, "the session has a gap that a careless fill would cross"


def micros(times: pd.Series) -> np.ndarray:
    return ((times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(microseconds=1)).to_numpy()


def _check_column(times, before, after, breaks) -> int:
    """How many values were left null for a break alone."""
    refused = 0
    for place in np.flatnonzero(np.isnan(before)):
        known = [at for at in range(place) if not np.isnan(before[at]) and times[place] - times[at] <= 120 * SECOND]
        crossed = bool(known) and any(begun <= times[place] and times[known[-1]] <= until for begun, until in breaks)
        expected = before[known[-1]] if known and not crossed else nan
        assert np.array_equal([after[place]], [expected], equal_nan=True)
        refused += crossed
    return refused


def broken_times(log, symbol) -> list[tuple[int, int]]:
    """From when until when the symbol's data were known to be broken, by reading everything."""
    shard = shard_of(symbol, SHARDS)
    messages = messages_of(log, shard)
    events = [decode_event(value) for _, value in messages]
    outputs = Engine(shard, lambda cursor: [MarketStage(FEATURES, cursor)]).feed(messages)
    vectors = [decode_vector(output.value) for output in outputs if output.topic == "features"]
    gaps = [
        (event.recv, max(event.recv, event.end))
        for event in events
        if isinstance(event, Gap) and event.symbol == symbol
    ]
    return [*gaps, *((vector.ts, vector.ts) for vector in vectors if vector.symbol == symbol and vector.tainted)]


@pytest.mark.req("TK-FS-32")
@settings(deadline=None, max_examples=1)
@given(st.just(None))
def test_the_choice_is_recorded_and_ends_at_a_split(session_log, tmp_path_factory, _):
    """Each split is filled from its own rows alone; targets are never filled."""
    folder = tmp_path_factory.mktemp("missing")
    tables = {}
    for how in ("null", "skip", "forward_fill"):
        build(session_log, SHARDS, request(missing=how, limit=20), REGISTRY, folder / how)
        tables[how] = {split: read_split(folder / how, split) for split in ("train", "validation", "test")}
        assert load_metadata(folder / how).request.missing == how

    for split, plain in tables["null"].items():
        values, _ = matrix(plain, NAMES)
        assert tables["skip"][split].num_rows == int((~np.isnan(values).any(axis=1)).sum())
        frame = plain.to_pandas()
        expected = pd.concat([fill_by_pandas(part) for _, part in frame.groupby("symbol")]).sort_index()
        found = tables["forward_fill"][split].to_pandas()
        assert found[list(NAMES)].equals(expected[list(NAMES)])
        assert found["target"].equals(frame["target"])
    metadata = load_metadata(folder / "forward_fill")
    assert sum(metadata.split("train").filled.values()) > 0
    assert load_metadata(folder / "skip").split("train").skipped > 0


def fill_by_pandas(part: pd.DataFrame) -> pd.DataFrame:
    """The last value of the symbol in this split, if it is at most 20 seconds old."""
    found = part.copy()
    for name in NAMES:
        known = part["timestamp"].where(part[name].notna()).ffill()
        recent = (part["timestamp"] - known) <= pd.Timedelta(seconds=20)
        found[name] = part[name].ffill().where(recent)
    return found


def test_skipping_needs_no_limit():
    """And a request that asks for something else is refused when it is read."""
    assert filled("skip", 1, [1.0, nan, 2.0]) == [1.0, 2.0]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.to_builtins(request()), "missing": "guess"}, type(request()))
