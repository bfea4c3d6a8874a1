"""Features without a value: what each choice makes of them, and that none looks ahead or across a split."""

from array import array
from math import isnan, nan

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.datasets import build, load_metadata, matrix, read_split
from learning.datasets.missing import Filler
from tests.learning.datasets.session import NAMES, REGISTRY, SECOND, SHARDS, request

SERIES = st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=1, max_size=40)


def filled(how: str, limit: int, series: list[float], step: int = 5) -> list[float]:
    filler = Filler(how, limit, ("a",))
    rows = (filler.fill(place * step * SECOND, "X", array("d", [value])) for place, value in enumerate(series))
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
def test_interpolation_goes_on_along_the_line_through_the_last_two(series, steps):
    """By numpy's line through two points, and only from the past."""
    values = floats(series)
    expected = []
    for place, value in enumerate(values):
        known = [at for at in range(place) if not isnan(values[at])][-2:]
        if isnan(value) and len(known) == 2 and place - known[-1] <= steps:
            value = np.polyval(np.polyfit(known, [values[at] for at in known], 1), place)
        expected.append(value)

    assert np.allclose(filled("interpolate", steps * 5, values), expected, equal_nan=True)


@pytest.mark.req("TK-FS-32")
@given(SERIES, st.sampled_from(["forward_fill", "interpolate", "skip", "null"]), st.integers(0, 40))
def test_no_choice_looks_ahead(series, how, cut):
    """What was filled in before a row does not change when the rows from there on are others."""
    values = floats(series)
    before = filled(how, 60, values[:cut])
    after = filled(how, 60, [*values[:cut], 5.0, nan, 7.0])

    assert np.array_equal(before, after[: len(before)], equal_nan=True)


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
