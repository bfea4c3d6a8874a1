"""Model files: written once and whole, and opened only where they are what everybody says they are."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning.files import ModelFiles, VersionTaken
from learning.folders import WRITING, unfinished
from learning.training import Trained, distributions, train
from operators.online.models import Unusable
from schemas.learning import Target
from schemas.model import ModelRecord
from tests.learning.training.rows_made import NAMES, QUICK, record, regression, rows, trained_once

VERSION = "v1700000000"


@pytest.fixture(scope="module")
def made() -> dict[str, Trained]:
    """A model of each family."""
    return {family: trained_once(family) for family in QUICK}


@pytest.fixture
def files(tmp_path: Path) -> ModelFiles:
    return ModelFiles(tmp_path / "models")


@pytest.fixture
def saved(files: ModelFiles, made: dict[str, Trained]) -> ModelRecord:
    return files.save(record(made["xgboost"]), made["xgboost"].content)


def vector(row: np.ndarray) -> dict[str, float | None]:
    """A vector of the engine, with one feature more than the model looks at."""
    return {"other": 1.0} | {
        name: None if np.isnan(value) else float(value) for name, value in zip(NAMES, row, strict=True)
    }


@pytest.mark.req("TK-MS-39", "TK-MS-40")
@pytest.mark.parametrize("family", sorted(QUICK))
def test_an_opened_model_says_what_the_trained_one_said(files: ModelFiles, made: dict[str, Trained], family: str):
    """Row by row, and in a process that has never seen it trained: from the bytes alone."""
    kept = files.save(record(made[family]), made[family].content)
    unseen = rows(25, 8).features
    expected = distributions(made[family].model, unseen)

    opened = ModelFiles(files.root).open(VERSION, kept.sha256)

    said = [opened.probabilities(vector(row)) for row in unseen]
    assert [list(row) for row in said] == [["-1", "0", "1"]] * 25
    assert np.allclose([list(row.values()) for row in said], expected, rtol=0, atol=1e-15)
    assert opened.features == NAMES
    assert opened.feature_registry_version == "1.2.0"
    assert opened.target == Target()
    assert opened.fitted.content() == made[family].content


@pytest.mark.parametrize("classes", [(-1, 0, 1), (-1, 1)])
def test_predictions_equal_xgboost_used_directly_on_the_same_file(files: ModelFiles, classes: tuple[int, ...]):
    trained = trained_once("xgboost", classes)
    kept = files.save(record(trained), trained.content)
    unseen = rows(50, 8).features

    booster = xgboost.Booster(model_file=files.path(kept))
    direct = booster.predict(xgboost.DMatrix(unseen, feature_names=list(NAMES))).astype(float)

    opened = files.open(VERSION, kept.sha256)
    for row, outputs in zip(unseen, direct, strict=True):
        said = opened.probabilities(vector(row))
        if len(classes) == 3:
            assert list(said.values()) == (outputs / outputs.sum()).tolist()
        else:
            assert said == {"-1": 1 - outputs, "0": 0.0, "1": outputs}


@pytest.mark.req("TK-MS-27")
def test_a_vector_that_lacks_a_feature_is_refused_by_its_name(files: ModelFiles, saved: ModelRecord):
    lacking = vector(np.zeros(4))
    del lacking["spread"], lacking["vwap"]

    with pytest.raises(Unusable, match=r"looks at spread, vwap, which the vector does not have.*version 1\.2\.0"):
        files.open(VERSION, saved.sha256).probabilities(lacking)


def test_the_record_is_kept_beside_the_model(files: ModelFiles, saved: ModelRecord):
    assert files.record(VERSION) == saved
    assert files.versions() == [VERSION]
    assert sorted(path.name for path in files.folder(VERSION).iterdir()) == ["model.ubj", "record.json"]


def test_versions_are_in_the_order_of_their_making(files: ModelFiles, made: dict[str, Trained]):
    for version in ("v1700000000.10", "v999", "v1700000000.2", "v1700000000"):
        files.save(record(made["xgboost"], version), made["xgboost"].content)

    assert files.versions() == ["v999", "v1700000000", "v1700000000.2", "v1700000000.10"]


def test_a_version_is_never_written_twice(files: ModelFiles, saved: ModelRecord, made: dict[str, Trained]):
    before = files.path(saved).read_bytes()

    with pytest.raises(VersionTaken, match="is there already"):
        files.save(record(made["random_forest"]), made["random_forest"].content)

    assert files.path(saved).read_bytes() == before
    assert [path.name for path in files.root.iterdir()] == [VERSION]


def test_models_are_opened_once(files: ModelFiles, saved: ModelRecord):
    """And stay what they were: the file may go afterwards."""
    first = files.open(VERSION, saved.sha256)
    files.path(saved).unlink()

    assert files.open(VERSION, saved.sha256) is first


def test_a_removed_version_is_gone(files: ModelFiles, saved: ModelRecord):
    files.open(VERSION, saved.sha256)

    files.remove(VERSION)

    assert list(files.root.iterdir()) == []
    with pytest.raises(Unusable, match="there is no"):
        files.open(VERSION, saved.sha256)


def test_there_are_no_models_where_there_is_no_folder(files: ModelFiles):
    assert files.versions() == []
    with pytest.raises(Unusable, match=r"^model v1: there is no v1/record\.json; restore the folder, or train again$"):
        files.open("v1", "0" * 64)


@pytest.mark.parametrize("version", ["online", "../v1", "v1/..", "", "latest"])
def test_what_is_no_version_is_refused(files: ModelFiles, version: str):
    with pytest.raises(Unusable, match="is no version of a batch model"):
        files.open(version, "0" * 64)


def rewrite(files: ModelFiles, kept: ModelRecord, **changed: object) -> None:
    changed_record = msgspec.structs.replace(kept, **changed)
    (files.folder(VERSION) / "record.json").write_bytes(msgspec.json.encode(changed_record))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"features": (*NAMES[:3], "depth_5")}, "has the features"),
        ({"features": NAMES[::-1]}, "has the features"),
        ({"classes": (-1, 1)}, r"has the classes \(-1, 0, 1\), its record says \(-1, 1\)"),
        ({"family": "random_forest"}, "is no file of the family random_forest"),
        ({"target": Target(kind="regression")}, "is no model of a regression"),
        ({"file": "../../etc/passwd"}, "names '../../etc/passwd'"),
        ({"file": "model.skops"}, "model.skops cannot be read"),
        ({"sha256": "0" * 64}, "its record means 0000"),
        ({"version": "v5"}, "is the record of v5"),
    ],
)
def test_a_record_that_does_not_fit_the_model_is_refused(files: ModelFiles, saved: ModelRecord, changed, said: str):
    rewrite(files, saved, **changed)

    with pytest.raises(Unusable, match=said):
        files.open(VERSION, saved.sha256)


def test_an_activation_of_other_bytes_is_refused(files: ModelFiles, saved: ModelRecord):
    with pytest.raises(Unusable, match=f"has the SHA-256 {saved.sha256}, the activation means 1111"):
        files.open(VERSION, "1" * 64)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.ubj").unlink(),
        lambda folder: (folder / "record.json").unlink(),
        lambda folder: (folder / "record.json").write_text("{"),
        lambda folder: (folder / "model.ubj").write_bytes((folder / "model.ubj").read_bytes()[:-1]),
        lambda folder: (folder / "model.ubj").write_bytes(b""),
        lambda folder: ((folder / "model.ubj").unlink(), (folder / "model.ubj").mkdir()),
    ],
)
def test_damaged_files_are_unusable_and_say_where(files: ModelFiles, saved: ModelRecord, damage):
    damage(files.folder(VERSION))

    with pytest.raises(Unusable, match=rf"model {VERSION}: .*(restore|train again|there is no)"):
        files.open(VERSION, saved.sha256)


@pytest.mark.parametrize("family", ["xgboost", "logistic_regression"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flipped=st.integers(0, 255))
def test_damage_anywhere_in_a_file_is_found_by_its_hash(
    files: ModelFiles, made: dict[str, Trained], family: str, place: float, flipped: int
):
    """Before a library sees the bytes: XGBoost ends the process at some of them. ``flipped`` 0: the file is cut."""
    if VERSION in files.versions():
        files.remove(VERSION)
    kept = files.save(record(made[family]), made[family].content)
    content = bytearray(made[family].content)
    at = int(place * len(content))
    damaged = bytes(content[:at]) + (bytes([content[at] ^ flipped]) + bytes(content[at + 1 :]) if flipped else b"")
    files.path(kept).write_bytes(damaged)

    with pytest.raises(Unusable, match=r"has the SHA-256 .*, the activation means"):
        files.open(VERSION, kept.sha256)


def test_a_model_of_numbers_can_be_loaded_and_not_activated(files: ModelFiles):
    trained = train(regression())
    kept = files.save(record(trained), trained.content)

    assert files.load(VERSION).fitted.outputs(np.zeros((2, 4))).shape == (2,)
    with pytest.raises(Unusable, match=r"foretells a number \(regression\), and a strategy acts on probabilities"):
        files.open(VERSION, kept.sha256)


def test_json_of_xgboost_is_read_as_well(files: ModelFiles, made: dict[str, Trained]):
    content = bytes(made["xgboost"].model.booster.save_raw("json"))
    kept = files.save(record(made["xgboost"], file="model.json"), content)

    said = files.open(VERSION, kept.sha256).fitted.outputs(rows(9).features)
    assert np.array_equal(said, made["xgboost"].model.outputs(rows(9).features))


def test_a_model_that_lockstep_did_not_write_is_refused(files: ModelFiles, made: dict[str, Trained]):
    foreign = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.ones((9, 2)), np.arange(9)), 1)

    with pytest.raises(Unusable, match="Lockstep did not write it"):
        files.save(record(made["xgboost"]), bytes(foreign.save_raw("ubj")))


def test_what_a_dead_writer_left_is_no_version_and_is_swept_away(files: ModelFiles, made: dict[str, Trained]):
    """A writer that is killed at its work: the lock on its folder goes with it."""
    files.root.mkdir()
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom learning.folders import unfinished\n"
        "with unfinished(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'model.ubj').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    environment = os.environ | {"PYTHONPATH": "."}
    assert subprocess.run([sys.executable, "-c", program, str(files.root)], env=environment).returncode == -9
    left = [path.name for path in files.root.iterdir()]
    assert len(left) == 1 and left[0].startswith(WRITING)
    assert files.versions() == []

    files.save(record(made["xgboost"]), made["xgboost"].content)

    assert [path.name for path in files.root.iterdir()] == [VERSION]


def test_the_folder_of_a_living_writer_is_left_alone(files: ModelFiles, made: dict[str, Trained]):
    files.root.mkdir()
    with unfinished(files.root) as folder:
        files.save(record(made["xgboost"]), made["xgboost"].content)
        assert folder.is_dir()

    assert files.versions() == [VERSION]
