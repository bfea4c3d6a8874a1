"""The quality report equals numpy and pandas over the same rows."""

from array import array
from collections import Counter
from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.datasets import build
from learning.datasets.quality import Quality, Thinned, _correlations
from tests.learning.datasets.session import REGISTRY, SHARDS, request

VALUES = st.one_of(st.just(nan), st.floats(-1e6, 1e6), st.integers(-3, 3).map(float))
NAMES = ("a", "b", "c")


def report(matrix: np.ndarray, targets: list[float] | None = None) -> dict:
    quality = Quality(NAMES)
    for place, row in enumerate(matrix):
        quality.add(array("d", row), 0.0, targets[place] if targets else 0.0)
    return quality.report()


@pytest.mark.req("TK-FS-27")
@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=80))
def test_missing_and_constant_features_are_found(rows):
    """As pandas counts them."""
    frame = pd.DataFrame(rows, columns=NAMES)
    found = report(frame.to_numpy(dtype=float))

    assert found["missing"] == {name: share for name, share in frame.isna().mean().items() if share}
    assert found["constant"] == [name for name in NAMES if frame[name].nunique() == 1]
    assert found["empty"] == [name for name in NAMES if frame[name].isna().all()]


@pytest.mark.req("TK-FS-27")
@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.floats(0, 0.5), st.floats(-8, 8), st.floats(0.5, 100))
def test_correlations_equal_pandas(seed, share, offset, scale):
    """Pairwise over what both know, whatever the unit and the offset of a feature."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(120, 3))
    matrix[:, 1] = matrix[:, 0] * scale + random.normal(size=120) * 0.1 + 10**offset
    matrix[random.random(matrix.shape) < share] = nan
    expected = pd.DataFrame(matrix).corr().to_numpy()

    assert np.allclose(_correlations(matrix), expected, atol=1e-6, equal_nan=True)


@pytest.mark.req("TK-FS-27")
def test_alike_features_outliers_and_infinities_are_warned_of():
    """By name, with the figure."""
    random = np.random.default_rng(1)
    matrix = random.normal(size=(500, 3))
    matrix[:, 1] = 2 * matrix[:, 0] + 5
    matrix[7, 2] = 1000.0
    matrix[8, 2] = inf
    matrix[:50, 0] = nan
    found = report(matrix)

    assert [(one, other) for one, other, _ in found["alike"]] == [("a", "b")]
    assert found["outliers"] == {"c": round(1 / 499, 6)}
    assert found["infinite"] == {"c": 1 / 500}
    assert "a: 10.0% of its values are missing" in found["warnings"]
    assert any(line.startswith("a and b correlate") for line in found["warnings"])


@pytest.mark.req("TK-FS-28")
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=200))
def test_the_classes_are_counted_and_imbalance_is_warned_of(targets):
    """Above four fifths in one class."""
    found = report(np.zeros((len(targets), 3)), targets)

    counts = Counter(targets)
    assert found["target"]["classes"] == {str(int(label)): counts[label] for label in sorted(counts)}
    assert found["target"]["mean"] == pytest.approx(np.mean(targets))
    assert found["target"]["deviation"] == pytest.approx(np.std(targets), abs=1e-7)
    warned = any(line.startswith("target:") for line in found["warnings"])
    assert warned == (len(counts) > 1 and max(counts.values()) > 0.8 * len(targets))


@given(st.integers(1, 500), st.integers(2, 40))
def test_thinning_keeps_rows_evenly_spaced_within_its_limit(count, limit):
    """At least half of what it may keep, once there was that much."""
    thinned = Thinned(limit)
    for value in range(count):
        thinned.add([float(value)])
    kept = thinned.matrix()[:, 0].astype(int).tolist()

    assert kept == list(range(0, count, thinned.stride))
    assert len(kept) <= limit
    assert len(kept) >= min(count, limit // 2)


@pytest.mark.req("TK-FS-25", "TK-FS-27", "TK-FS-28")
def test_a_dataset_carries_its_report_and_how_long_it_took(session_log, tmp_path):
    """The report in the metadata, times and memory beside them."""
    import json

    metadata = build(session_log, SHARDS, request(), REGISTRY, tmp_path / "set")
    took = json.loads((tmp_path / "set" / "build.json").read_text())

    assert metadata.quality["rows"] == sum(info.rows for info in metadata.splits.values())
    assert set(took["seconds"]) == {"plan", "rows", "check"}
    assert took["peak_memory_bytes"] > 10**7
    assert took["rows_per_second"] > 0
