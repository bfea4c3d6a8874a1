"""Files of scikit-learn: the same bytes for the same model, and nothing but our own families in them."""

import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from learning.training import train
from learning.training.skops_file import SCHEMA, read_pipeline, write_pipeline
from tests.learning.training.rows_made import NAMES, QUICK, regression, rows, trained_once

ROWS = rows(200, unknown=0.0)


def pipeline(*steps) -> Pipeline:
    return Pipeline([(f"step_{k}", step) for k, step in enumerate(steps)]).fit(ROWS.features, ROWS.targets)


def forest(**changed) -> RandomForestClassifier:
    return pipeline(SimpleImputer(), RandomForestClassifier(n_estimators=3, max_depth=3, random_state=1, **changed))


def altered(content: bytes, change) -> bytes:
    """The archive with its entries changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return written.getvalue()


ONE_FOREST = write_pipeline(forest(), NAMES)


@pytest.mark.parametrize("family", sorted(set(QUICK) - {"xgboost"}))
def test_writing_what_was_read_gives_the_same_bytes(family: str):
    content = trained_once(family).content

    assert read_pipeline(content).content() == content


@pytest.mark.parametrize("family", sorted(set(QUICK) - {"xgboost"}))
def test_a_file_says_what_scikit_learn_says_of_it(family: str):
    """Its own answer to the same rows, to the bit."""
    unseen = rows(100, 4).features
    content = trained_once(family).content
    pipeline = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))

    assert np.array_equal(read_pipeline(content).outputs(unseen), pipeline.predict_proba(unseen))


def test_a_forest_of_numbers_says_what_scikit_learn_says_of_it():
    content = train(regression("random_forest")).content
    pipeline = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))

    assert np.array_equal(read_pipeline(content).outputs(ROWS.features), pipeline.predict(ROWS.features))


def test_skops_itself_names_entries_by_addresses_and_the_time():
    """Why the archive is put in order: two of one model differ."""
    whole = forest()

    assert write_pipeline(whole, NAMES) == write_pipeline(whole, NAMES)
    assert skops.io.dumps(whole) != skops.io.dumps(forest())
    content = write_pipeline(whole, NAMES)
    assert content == write_pipeline(forest(), NAMES)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("foreign", "named"),
    [
        (lambda: pipeline(FunctionTransformer(np.arctan), LogisticRegression()), "FunctionTransformer"),
        (lambda: pipeline(SimpleImputer(), PolynomialFeatures(), LogisticRegression()), "PolynomialFeatures"),
        (lambda: pipeline(SimpleImputer(), Ridge()), "Ridge"),
        (lambda: forest(class_weight={-1: np.float32(1), 0: 1, 1: 1}), "float32"),
    ],
    ids=["function", "polynomial", "ridge", "float32"],
)
def test_types_of_no_family_of_ours_are_refused_by_name(foreign: Callable[[], Pipeline], named: str):
    """Also those that skops would trust."""
    with pytest.raises(ValueError, match=f"types that are not trusted: .*{named}"):
        read_pipeline(write_pipeline(foreign(), NAMES))


def test_a_forged_type_is_refused_before_anything_is_made_of_it():
    def forge(entries: dict[str, bytes]) -> None:
        schema = json.loads(entries[SCHEMA])
        schema["content"]["content"]["verbose"] = {
            "__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 999,
            "content": {"module_path": "os", "function": "system"},
        }  # fmt: skip
        entries[SCHEMA] = json.dumps(schema).encode()

    with pytest.raises(ValueError, match=r"types that are not trusted: .*os\.system"):
        read_pipeline(altered(write_pipeline(forest(), NAMES), forge))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("left_child", 10**6, "child is no later node"),
        ("right_child", 0, "child is no later node"),
        ("left_child", -7, "child is no later node"),
        ("feature", 10**6, "looks at a feature beyond its 4"),
        ("feature", -5, "looks at a feature beyond its 4"),
    ],
)
def test_a_forged_tree_is_refused_before_it_reads_foreign_memory(field: str, value: int, said: str):
    """Scikit-learn would follow it anywhere, or for ever."""

    def forge(entries: dict[str, bytes]) -> None:
        for name, data in entries.items():
            if name.endswith(".npy") and (nodes := np.load(io.BytesIO(data))).dtype.names:
                nodes[field][0] = value
                written = io.BytesIO()
                np.save(written, nodes)
                entries[name] = written.getvalue()
                return

    with pytest.raises(ValueError, match=said):
        read_pipeline(altered(write_pipeline(forest(), NAMES), forge))


def test_columns_without_names_are_refused():
    with pytest.raises(ValueError, match="takes 4 features and names 3"):
        read_pipeline(write_pipeline(forest(), NAMES[:3]))
    with pytest.raises(ValueError, match="skops cannot read it"):
        read_pipeline(skops.io.dumps(forest()))


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04K\x01."], ids=["empty", "cut", "pickle"])
def test_what_is_no_archive_is_refused(content: bytes):
    with pytest.raises(ValueError, match="skops cannot read it: BadZipFile"):
        read_pipeline(content)


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_damaged_bytes_are_refused_or_still_a_whole_model(place: float, value: int):
    """Whatever fails within is a refusal."""
    content = bytearray(ONE_FOREST)
    content[int(place * len(content))] = value
    try:
        read = read_pipeline(bytes(content))
    except ValueError:
        return
    assert read.outputs(ROWS.features).shape == (ROWS.count, 3)
