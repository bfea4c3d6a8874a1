"""The dataset routes over HTTP, with real builds of a real log."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from learning.datasets import read_split
from schemas.codec import decode_command
from schemas.command import Build
from tests.learning.datasets.session import MINUTE, SHARDS, at
from tests.serving.learning import SPLITS, Served, body, copied, session_in, utc

NOBODY = "00000000-0000-4000-8000-000000000000"
DAY = 86_400_000_000
ANOTHER_SYSTEMS = """
insert into datasets (id, symbol, status, split_strategy, target_config, feature_registry_version, storage_path,
    created_at, train_period_start, train_period_end)
values ('00000000-0000-4000-8000-000000000001', 'XRPUSDT', 'ready', 'time_based', '{"type": "regression"}', '1.0.0',
    '/data/datasets/1', '2020-01-01 10:00', '2019-01-01', '2019-02-01')
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log with a session."""
    return session_in(tmp_path_factory.mktemp("datasets"))


@pytest.fixture
def served(session: Path, tmp_path: Path, database_url: str) -> Iterator[Served]:
    """The API over a copy of it."""
    with copied(session, tmp_path, database_url) as found:
        yield found


def commands(served: Served) -> list[Build]:
    found = [served.log.reader("commands", shard, 0).poll(100) for shard in range(SHARDS)]
    return [command for records in found for one in records if isinstance(command := decode_command(one.value), Build)]


@pytest.mark.req(
    "FS-US-2.1",
    "FS-US-2.3",
    "FS-FR-015",
    "FS-FR-017",
    "FS-FR-018",
    "FS-FR-031",
    "FS-FR-033",
    "FS-FR-034",
    "FS-FR-035",
    "FS-FR-036",
)
def test_a_dataset_is_asked_for_built_listed_and_fetched(served: Served) -> None:
    """Split by split and as one archive, in the format that was asked for, with its metadata and registry version."""
    answer = served.api.post("/dataset/build", body())
    dataset = answer.json()["dataset_id"]
    waiting = served.dataset(dataset)
    (command,) = commands(served)
    served.work()
    found = served.dataset(dataset)

    assert (answer.status_code, answer.json()["status"]) == (202, "building")
    assert answer.json()["splits_info"]["test"] == {
        "records": 0, "period_start": utc(at(11)), "period_end": utc(at(14)),
    }  # fmt: skip
    assert (waiting["status"], waiting["state"], waiting["train_records"]) == ("building", "queued", 0)
    assert (command.dataset_id, command.action) == (dataset, "build")
    assert (found["id"], found["dataset_id"], found["status"]) == (dataset, dataset, "ready")
    assert found["target_config"] == {"type": "classification", "horizon": 20, "threshold": 0.001}
    assert found["train_period_start"] == utc(at(0))
    folder = served.home / "datasets" / dataset
    for split in SPLITS:
        file = served.api.get(f"/dataset/{dataset}/download", split=split)
        assert file.status_code == 200
        assert file.headers["content-type"] == "application/octet-stream"
        assert file.headers["content-disposition"] == f'attachment; filename="{dataset}_{split}.parquet"'
        assert (file.headers["x-feature-registry-version"], file.headers["x-dataset-split"]) == ("few", split)
        table = pq.read_table(io.BytesIO(file.content))
        assert table.equals(read_split(folder, split))
        assert table.num_rows == found[f"{split}_records"] == int(file.headers["x-dataset-records"]) > 0
    for form in ("zip", "tar"):
        whole = served.api.get(f"/api/v1/dataset/{dataset}/download", split="all", archive=form).content
        names = unpacked(whole, form)
        assert names == {f"{split}.parquet": (folder / f"{split}.parquet").read_bytes() for split in SPLITS} | {
            "metadata.json": (folder / "metadata.json").read_bytes()
        }
    assert [one["id"] for one in served.api.get("/dataset/list", symbol="aaaa", status="ready").json()] == [dataset]
    assert served.api.get("/dataset/list", symbol="BBBB").json() == []


def unpacked(content: bytes, form: str) -> dict[str, bytes]:
    if form == "zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


@pytest.mark.req("FS-US-2.3", "FS-FR-014", "FS-FR-032")
def test_walk_forward_folds_are_fetched_one_by_one_as_csv(served: Served) -> None:
    """Without a fold it is the first one; all of one fold is an archive."""
    walk = {
        "train_window_days": 4 * MINUTE / DAY, "validation_window_days": 2 * MINUTE / DAY,
        "step_days": 2 * MINUTE / DAY, "start_date": utc(at(0)), "end_date": utc(at(12)),
    }  # fmt: skip
    dataset = served.build(
        split_strategy="walk_forward", walk_forward_config=walk, output_format="csv",
        target_config={"type": "regression", "horizon": 20},
    )  # fmt: skip
    served.work()
    found = served.dataset(dataset)
    folds = found["metadata"]["folds"]
    folder = served.home / "datasets" / dataset
    path = f"/dataset/{dataset}/download"

    assert folds == [0, 1, 2, 3]
    assert found["walk_forward_config"]["start_date"] == utc(at(0))
    for fold in folds:
        file = served.api.get(path, split="validation", fold=str(fold))
        assert (file.status_code, file.headers["content-type"].split(";")[0]) == (200, "text/csv")
        rows = csv.read_csv(io.BytesIO(file.content)).num_rows
        assert rows == read_split(folder, "validation", fold).num_rows > 0
        assert f"{dataset}_fold_{fold}_validation.csv" in file.headers["content-disposition"]
    assert served.api.get(path, split="train").content == (folder / "fold_0" / "train.csv").read_bytes()
    whole = unpacked(served.api.get(path, split="all", fold="1").content, "zip")
    assert set(whole) == {"fold_1/train.csv", "fold_1/validation.csv", "metadata.json"}
    assert served.api.get(path, split="train", fold="9").status_code == 404
    assert served.api.get(path, split="test").status_code == 404


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"train_period_end": ...}, "time_based needs all six periods; missing: train_period_end"),
    ({"train_period_start": utc(at(9))}, "train_period_start must lie before train_period_end"),
    ({"validation_period_start": utc(at(7))}, "periods overlap: validation_period_start lies before train_period_end"),
    ({"test_period_end": "2999-01-01T00:00:00Z"}, "test_period_end lies in the future"),
    ({"target_config": {"type": "regression", "horizon": 0}}, "target_config.horizon must be above 0"),
    ({"target_config": {"type": "regression", "horizon": 9, "threshold": -1}}, "threshold must not be negative"),
    ({"target_config": {"type": "regression", "horizon": 10**6}}, "horizon"),
    ({"feature_registry_version": "9.9"}, "feature registry 9.9 is not known; there are 1.0.0, 1.1.0, 1.2.0"),
    ({"features": ["mid_price", "nonsense"]}, "registry few has no 'nonsense'"),
    ({"output_format": "hdf5"}, "output_format hdf5 is not written here: ask for parquet or csv"),
    ({"split_strategy": "walk_forward"}, "walk_forward needs walk_forward_config"),
    (
        {
            "split_strategy": "walk_forward",
            "walk_forward_config": {
                "train_window_days": 0, "validation_window_days": 1, "step_days": -1, "start_date": "2023-01-01",
                "end_date": "2023-01-02",
            },
        },
        "walk_forward_config.train_window_days must be above 0; walk_forward_config.step_days must be above 0",
    ),
    (
        {
            "split_strategy": "walk_forward",
            "walk_forward_config": {
                "train_window_days": 3, "validation_window_days": 1, "step_days": 1, "start_date": "2023-01-01",
                "end_date": "2023-01-02",
            },
        },
        "not even one fold fits",
    ),
]  # fmt: skip


@pytest.mark.req("FS-FR-015")
def test_what_cannot_be_built_is_refused_with_everything_that_is_wrong(served: Served) -> None:
    """Nothing of it gets into the queue; what is no request at all is 422."""
    for changes, message in WRONG:
        answer = served.api.post("/dataset/build", body(**changes))
        assert answer.status_code == 400, (changes, answer.text)
        assert message in answer.json()["detail"]
    for changes in ({"symbol": ...}, {"split_strategy": "random"}, {"target_config": {"type": "x", "horizon": 1}}):
        assert served.api.post("/dataset/build", body(**changes)).status_code == 422
    assert served.api.get("/dataset/list").json() == []
    assert commands(served) == []


@pytest.mark.req("FS-EC-11")
def test_a_period_without_history_is_refused_naming_the_periods_that_there_are(served: Served) -> None:
    """Also a symbol of which there is nothing."""
    old = {
        f"{split}_period_{end}": f"2020-01-0{2 * number + 1 + place}T00:00:00Z"
        for number, split in enumerate(SPLITS)
        for place, end in enumerate(("start", "end"))
    }
    refused = served.api.post("/dataset/build", body(**old))
    unknown = served.api.post("/dataset/build", body(symbol="DOGEUSDT"))

    assert refused.status_code == unknown.status_code == 400
    detail = refused.json()["detail"]
    assert "the log has nothing of AAAA from 2020-01-01T00:00:00Z to 2020-01-06T00:00:00Z" in detail
    assert f"it can serve {utc(at(-1))[:15]}" in detail
    assert "no period of it at all" in unknown.json()["detail"]


@pytest.mark.req("FS-EC-08", "FS-EC-10")
def test_builds_are_paused_resumed_and_cancelled_over_http(served: Served) -> None:
    """Urgent ones go first; a command tells whoever builds."""
    paused, urgent, cancelled = served.build(), served.build(priority=9), served.build()
    for dataset, action, state in ((paused, "pause", "paused"), (cancelled, "cancel", "cancelled")):
        answer = served.api.post(f"/dataset/{dataset}/{action}")
        assert (answer.status_code, answer.json()) == (200, {"dataset_id": dataset, "state": state})
    served.work()
    states = [served.dataset(one)["state"] for one in (paused, urgent, cancelled)]
    assert states == ["paused", "ready", "cancelled"]
    assert served.dataset(urgent)["priority"] == 9
    assert served.api.post(f"/dataset/{paused}/resume").json()["state"] == "queued"
    served.work()

    assert served.dataset(paused)["status"] == "ready"
    assert served.dataset(paused)["progress"] == {"percent": 100.0}
    late = served.api.post(f"/dataset/{paused}/cancel")
    assert (late.status_code, "only a build that is not over" in late.json()["detail"]) == (400, True)
    assert {(one.dataset_id, one.action) for one in commands(served)} >= {(paused, "resume"), (cancelled, "cancel")}
    assert served.api.post(f"/dataset/{NOBODY}/pause").status_code == 404


@pytest.mark.req("TK-FS-29")
def test_a_ready_dataset_is_split_again_over_http(served: Served) -> None:
    """What is left out stays as it is; wrong periods change nothing."""
    dataset = served.build()
    early = served.api.post(f"/dataset/{dataset}/resplit", {})
    served.work()
    before = served.dataset(dataset)
    wrong = served.api.post(f"/dataset/{dataset}/resplit", {"train_period_end": utc(at(9))})
    assert served.dataset(dataset) == before
    good = served.api.post(
        f"/dataset/{dataset}/resplit", {"train_period_end": utc(at(6)), "validation_period_start": utc(at(6))}
    )
    after = served.dataset(dataset)

    assert (early.status_code, wrong.status_code, good.status_code) == (400, 400, 200)
    assert "periods overlap" in wrong.json()["detail"]
    told = good.json()
    assert {split: told[f"{split}_records"] for split in SPLITS} == {
        split: after[f"{split}_records"] for split in SPLITS
    }
    assert after["train_records"] < before["train_records"]
    assert after["validation_records"] > before["validation_records"]
    assert after["test_records"] == before["test_records"]
    assert (after["train_period_end"], after["train_period_start"]) == (utc(at(6)), before["train_period_start"])


@pytest.mark.req("TK-FS-30")
def test_a_dataset_is_deleted_with_its_files_over_http(served: Served) -> None:
    dataset = served.build()
    served.work()
    folder = served.home / "datasets" / dataset
    assert folder.is_dir()

    assert served.api.delete(f"/dataset/{dataset}").status_code == 204
    assert not folder.exists()
    for answer in (served.api.delete(f"/dataset/{dataset}"), served.api.get(f"/dataset/{dataset}")):
        assert (answer.status_code, answer.json()["detail"]) == (404, "Dataset not found")


def test_what_cannot_be_fetched_says_why(served: Served) -> None:
    """Not ready, no such split, no such dataset, no UUID, an empty split."""
    waiting = served.build()
    empty = served.build(test_period_start=utc(at(60)), test_period_end=utc(at(61)))
    served.api.post(f"/dataset/{waiting}/pause")
    served.work()
    answers = {
        "not ready": served.api.get(f"/dataset/{waiting}/download"),
        "split x": served.api.get(f"/dataset/{empty}/download", split="x"),
        "only walk-forward datasets have folds": served.api.get(f"/dataset/{empty}/download", fold="0"),
    }

    for said, answer in answers.items():
        assert (answer.status_code, said in answer.json()["detail"]) == (400, True)
    assert served.api.get(f"/dataset/{empty}/download", split="test").status_code == 404
    assert served.dataset(empty)["metadata"]["empty_test_split"] is True
    assert served.api.get(f"/dataset/{NOBODY}/download").status_code == 404
    for path in ("/dataset/nonsense", "/dataset/nonsense/download"):
        assert served.api.get(path).status_code == 422
    assert served.api.get("/dataset/list", limit="0").status_code == 422


def test_a_dataset_that_another_system_made_is_shown_and_not_fetched(served: Served) -> None:
    with psycopg.connect(served.url) as connection:
        connection.execute(ANOTHER_SYSTEMS)
    (found,) = served.api.get("/dataset/list").json()

    assert (found["symbol"], found["state"], found["created_at"]) == ("XRPUSDT", "ready", "2020-01-01T10:00:00Z")
    assert (found["train_period_start"], found["metadata"], found["progress"]) == ("2019-01-01T00:00:00Z", {}, {})
    answer = served.api.get(f"/dataset/{found['id']}/download")
    assert (answer.status_code, "another system" in answer.json()["detail"]) == (400, True)
