"""The training routes, and evaluating a model on a dataset: with a real model, trained on a real dataset."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from connectors.log import NewRecord
from learning.datasets import matrix, read_split
from learning.files import ModelFiles
from learning.registry.versions import record_version
from learning.training import Request, Rows, evaluate, no_rows, train
from schemas.codec import decode_command, encode
from schemas.command import Train
from schemas.learning import Learning, Target, Training
from schemas.model import Period
from schemas.strategy import Strategy, StrategyConfigured
from tests.learning.datasets.session import MINUTE, NAMES, SHARDS, SYMBOLS
from tests.serving.conftest import eventually
from tests.serving.learning import Served, copied, session_in
from tests.serving.trading import got

TARGET = Target("classification", 20, 0.001)
TEN_SECONDS = {"type": "classification", "horizon": 10, "threshold": 0.001}
DAY = 86_400_000_000


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log with a session."""
    return session_in(tmp_path_factory.mktemp("training"))


@pytest.fixture
def served(session: Path, tmp_path: Path, database_url: str) -> Iterator[Served]:
    """The API over a copy of it."""
    with copied(session, tmp_path, database_url) as found:
        yield found


def configure(served: Served, name: str = "alpha", enabled: bool = True) -> None:
    """Put a strategy in force that trains on minutes."""
    training = Training(
        enabled=enabled, every=5, train_days=8 * MINUTE / DAY, validation_days=3 * MINUTE / DAY,
        test_days=2 * MINUTE / DAY,
    )  # fmt: skip
    strategy = Strategy(name, SYMBOLS[:2], learning=Learning(target=TARGET, training=training))
    for shard in range(SHARDS):
        end = served.log.reader("events", shard, served.log.end("events", shard) - 1).poll(1)[0].timestamp
        served.log.append("events", shard, [NewRecord(None, encode(StrategyConfigured(end, strategy)), end)])
    assert eventually(lambda: name in served.api.view.trading.strategies)


def trained(served: Served, dataset: str, version: str = "v1700000900"):
    """A model of the dataset's rows, in the registry; with its test rows."""
    folder = served.home / "datasets" / dataset
    splits = {split: Rows(*matrix(read_split(folder, split), NAMES)) for split in ("train", "validation", "test")}
    settings = Training(enabled=True, params={"n_estimators": 8, "max_depth": 2}, min_rows=10, every=5)
    found = train(Request(splits["train"], no_rows(len(NAMES)), NAMES, TARGET, settings))
    record = found.record(
        version=version, strategy="alpha", symbols=SYMBOLS[:1], feature_registry_version="few", every=5,
        offsets={}, splits={"train": Period(0, 1, splits["train"].count)}, trained_at=1_700_000_900_000_000, code="c",
    )  # fmt: skip
    record = ModelFiles(served.home / "models").save(record, found.content)
    with psycopg.connect(served.url, autocommit=True) as connection:
        record_version(connection, record)
    return found.model, splits["test"]


@pytest.mark.req("FS-FR-038")
def test_a_model_is_evaluated_on_a_split_as_the_library_does(served: Served) -> None:
    """Both paths; the figures are kept among the model's metrics, with the dataset."""
    dataset = served.build()
    served.work()
    model, rows = trained(served, dataset)
    expected = evaluate(model, rows)
    asked = {"dataset_id": dataset, "split": "test", "model_version": "v1700000900"}
    answer = served.api.post("/model/evaluate", asked)
    some = served.api.post("/api/v1/dataset/model/evaluate", {**asked, "metrics_to_compute": ["accuracy", "brier"]})
    kept = got(served.api, "/api/v1/models/v1700000900/metrics", metric_name="accuracy", dataset_split="test")

    assert answer.status_code == some.status_code == 200, answer.text
    found = answer.json()
    assert found["values"] == pytest.approx(expected.figures)
    assert found["metrics"] == list(expected.figures)
    assert found["metadata"]["records"] == rows.count > 0
    assert found["metadata"]["confusion"] == [list(row) for row in expected.confusion]
    assert found["prepared_dataset_url"] == f"/dataset/{dataset}/download?split=test"
    assert served.api.get(found["prepared_dataset_url"].split("?")[0], split="test").status_code == 200
    assert some.json()["metrics"] == ["accuracy", "brier"]
    assert [one["metric_value"] for one in kept] == pytest.approx([expected.figures["accuracy"]] * 2)
    assert {one["metadata"]["dataset_id"] for one in kept} == {dataset}


def test_what_cannot_be_evaluated_says_why(served: Served) -> None:
    """A dataset that asks something else or is not ready, a metric or a model that there is not, a damaged file."""
    dataset, other, waiting = (
        served.build(),
        served.build(
            target_config={"type": "classification", "horizon": 10, "threshold": 0.001}, features=["mid_price"]
        ),
        served.build(),
    )
    served.api.post(f"/dataset/{waiting}/pause")
    served.work()
    trained(served, dataset)
    good = {"dataset_id": dataset, "split": "test", "model_version": "v1700000900"}
    for changes, status, message in (
        ({"dataset_id": waiting}, 400, "not ready"),
        ({"dataset_id": other}, 400, "the dataset lacks returns_3s"),
        ({"dataset_id": other}, 400, "asks for classification in 10 s, the model answers classification in 20 s"),
        ({"metrics_to_compute": ["beauty"]}, 400, "unknown metrics: beauty; there are accuracy"),
        ({"model_version": "v1"}, 404, "no model v1"),
        ({"dataset_id": "00000000-0000-4000-8000-000000000000"}, 404, "Dataset not found"),
    ):
        answer = served.api.post("/model/evaluate", {**good, **changes})
        assert (answer.status_code, message in answer.json()["detail"]) == (status, True), answer.text
    (served.home / "models" / "v1700000900" / "model.ubj").write_bytes(b"broken")
    answer = served.api.post("/model/evaluate", good)
    assert (answer.status_code, "is damaged" in answer.json()["detail"]) == (400, True)
    assert served.api.post("/model/evaluate", {**good, "split": "train"}).status_code == 422


@pytest.mark.req("MS-FR-019")
def test_a_training_is_asked_for_by_a_command_and_never_said_to_be_when_it_is_not(served: Served) -> None:
    """The origin says triggered whatever happens."""
    configure(served, "resting", enabled=False)
    configure(served)
    path = "/api/v1/training/trigger"
    answer = served.api.post(path)
    named = served.api.post(path, {"strategy_id": "alpha", "symbol": "AAAA"})
    resting = served.api.post(path, {"strategy_id": "resting"})
    records = [served.log.reader("commands", shard, 0).poll(100) for shard in range(SHARDS)]
    commands = [decode_command(one.value or b"") for found in records for one in found]

    assert (answer.status_code, answer.json()["triggered"], answer.json()["strategy_id"]) == (200, True, "alpha")
    assert "lockstep learn does not run now" in answer.json()["message"]
    assert [(one.strategy, one.symbol, one.trigger, one.request_id) for one in commands if isinstance(one, Train)] == [
        ("alpha", None, "manual", answer.json()["training_id"]),
        ("alpha", "AAAA", "manual", named.json()["training_id"]),
    ]  # fmt: skip
    assert (resting.status_code, resting.json()["triggered"]) == (200, False)
    assert "does not train" in resting.json()["message"]
    for body, message in (
        ({"strategy_id": "nobody"}, "no strategy nobody; in force are alpha, resting"),
        ({"strategy_id": "alpha", "symbol": "DOGEUSDT"}, "alpha does not trade DOGEUSDT, but AAAA, BBBB"),
    ):
        refused = served.api.post(path, body)
        assert (refused.status_code, message in refused.json()["detail"]) == (400, True), refused.text


def test_the_dataset_of_a_training_has_its_periods_counted_back_from_the_newest_event(served: Served) -> None:
    """With the settings of the strategy; it can be built."""
    configure(served)
    assert eventually(lambda: "BBBB" in served.api.view.vectors)
    answer = served.api.post("/api/v1/training/dataset/build", {"strategy_id": "alpha", "symbol": "BBBB"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    pending = got(served.api, "/api/v1/training/status")["pending_dataset_builds"]
    served.work()
    found = served.dataset(told["dataset_id"])

    assert (told["strategy_id"], told["symbol"], pending) == ("alpha", "BBBB", 1)
    assert found["status"] == "ready", found["error_message"]
    assert found["target_config"] == {"type": "classification", "horizon": 20, "threshold": 0.001}
    assert found["train_period_end"] == found["validation_period_start"]
    assert found["validation_period_end"] == found["test_period_start"]
    assert found["train_records"] > found["test_records"] > 0
    assert got(served.api, "/api/v1/training/status")["pending_dataset_builds"] == 0


def test_the_status_is_what_the_daemon_says_while_it_lives(served: Served) -> None:
    """Nothing trains where nobody ever did, and a training of a daemon that is gone runs no more."""
    path = "/api/v1/training/status"
    nothing = got(served.api, path)
    told = {
        "is_training": True,
        "current_training": {"strategy_id": "alpha", "started_at": "2025-03-04T09:15:04Z", "progress_percent": 42.0},
        "last_training": {"completed_at": "2025-03-04T08:00:00Z", "version": "v1", "duration_seconds": 12.5},
        "next_scheduled_training": "2025-03-05T00:00:00Z", "queue_size": 1, "queue_wait_time_seconds": 3.5,
        "next_queued_training_strategy_id": "beta", "pid": os.getpid(), "updated_at": "2025-03-04T09:16:00Z",
    }  # fmt: skip
    file = served.home / "learn" / "status.json"
    file.parent.mkdir()
    file.write_text(json.dumps(told))
    alive = got(served.api, path)
    file.write_text(json.dumps({**told, "pid": 2**22 + 1}))
    gone = got(served.api, path)
    file.write_text("half of a fi")
    broken = got(served.api, path)

    assert (nothing["is_training"], nothing["current_training"], nothing["queue_size"]) == (False, None, 0)
    assert (alive["is_training"], alive["daemon_running"], alive["queue_size"]) == (True, True, 1)
    assert alive["current_training"]["progress_percent"] == 42.0
    assert alive["last_training"]["version"] == "v1"
    assert alive["next_scheduled_training"] == "2025-03-05T00:00:00Z"
    assert (gone["is_training"], gone["daemon_running"], gone["current_training"]) == (False, False, None)
    assert gone["last_training"] == alive["last_training"]
    assert broken == nothing
