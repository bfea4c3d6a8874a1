"""One training from the log: what it learns from, what it leaves behind, and what it refuses."""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import psycopg
import pytest
import xgboost

from connectors.demo.feed import START
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.migrate import Migrator
from dataflows.retrain import again, retrain
from dataflows.workshop import Workshop
from learning.datasets import DatasetRequest, Span, TimeBased, build, matrix, read_split
from learning.files import ModelFiles
from learning.registry.versions import free_version, record_version
from learning.training import Progress
from operators.trading.stage import InForce
from schemas.governance import TrainingDone
from schemas.model import ModelRecord
from schemas.strategy import Strategy
from tests.learn.made import FEATURES, MINUTE, SECOND, SHARDS, copied, open_log, play, registry, strategy


@dataclass
class Made:
    """A log, what was trained from it, and in which database it stands."""

    shop: Workshop
    done: TrainingDone
    told: list[Progress]
    database: str

    @property
    def record(self) -> ModelRecord:
        return self.shop.models.record(str(self.done.version))


@pytest.fixture(scope="module")
def made(market: Path, tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Made:
    """One training, for tests that look at it and those that train on."""
    folder = tmp_path_factory.mktemp("made")
    url = postgres.start()
    Migrator(url).up()
    told: list[Progress] = []

    def register(record: ModelRecord, seconds: float) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            record_version(connection, record, seconds)

    def free(newest: int) -> str:
        with psycopg.connect(url, autocommit=True) as connection:
            return free_version(connection, newest)

    log = copied(market, folder / "log")
    made = Workshop(
        log,
        SHARDS,
        registry(),
        ModelFiles(folder / "models"),
        folder / "work",
        register,
        free,
        told.append,
        tries=False,
    )
    return Made(made, retrain(made, strategy(), "manual", requests=("r1",)), told, url)


@pytest.mark.req("MS-US-2.2", "MS-US-2.3", "MS-US-4.1", "MS-FR-004", "TK-MS-28", "TK-MS-29", "FS-FR-051")
def test_a_training_leaves_a_version_with_its_record_and_its_metrics(made: Made) -> None:
    """Files and database agree; the test split is the newest part of the log and was not learnt from."""
    done, record = made.done, made.record
    with psycopg.connect(made.database) as connection:
        rows = connection.execute(
            "select v.version, v.strategy_id, m.metric_value::float from model_versions v"
            " join model_quality_metrics m on m.model_version_id = v.id"
            " where m.metric_name = 'accuracy' and m.metadata->>'dataset_split' = 'test' and v.version = %s",
            [record.version],
        ).fetchall()

    assert (done.status, done.requests, done.trigger) == ("ready", ("r1",), "manual")
    assert rows == [(record.version, "learner", pytest.approx(record.metrics["test"]["accuracy"], abs=1e-6))]
    names = [entry.name for entry in registry().entries if entry.name in FEATURES]
    assert made.shop.models.open(record.version, done.sha256).features == tuple(names)
    newest = record.trained_at // SECOND * SECOND
    assert START + 9 * MINUTE < newest <= START + 10 * MINUTE
    assert [(split.start, split.end) for split in record.splits.values()] == [
        (newest - 8 * MINUTE, newest - 3 * MINUTE),
        (newest - 3 * MINUTE, newest - MINUTE),
        (newest - MINUTE, newest),
    ]
    assert done.rows == sum(split.rows for split in record.splits.values()) > 300
    assert done.metrics["accuracy"] == record.metrics["test"]["accuracy"] > 0.6
    shares = [progress.share for progress in made.told]
    assert shares == sorted(shares) and shares[-1] > 0.8
    assert not list(made.shop.folder.iterdir())


@pytest.mark.req("TK-MS-31")
def test_the_record_says_what_came_of_walking_forward_before_the_test_split(made: Made) -> None:
    """Fold by fold, with mean and deviation; the database has it too."""
    metrics = made.record.metrics
    folds = [metrics[f"fold_{number}/validation"]["accuracy"] for number in range(3)]
    with psycopg.connect(made.database) as connection:
        stored = connection.execute(
            "select m.metric_value::float from model_quality_metrics m join model_versions v"
            " on m.model_version_id = v.id"
            " where v.version = %s and m.metric_name = 'accuracy' and m.metadata->>'dataset_split' = 'walk_forward'",
            [made.record.version],
        ).fetchall()

    assert metrics["walk_forward"]["accuracy"] == pytest.approx(np.mean(folds))
    assert metrics["walk_forward"]["accuracy_deviation"] == pytest.approx(np.std(folds))
    assert stored == [(pytest.approx(np.mean(folds), abs=1e-6),)]
    assert min(folds) > 0.5


def test_the_same_log_gives_the_same_bytes_and_a_version_is_never_used_twice(made: Made) -> None:
    second = retrain(made.shop, strategy(), "manual")

    assert second.version == f"{made.done.version}.1"
    assert second.sha256 == made.done.sha256
    assert again(made.shop, made.record).sha256 == made.done.sha256


def test_a_search_with_an_embargo_is_made_again_to_the_byte(made: Made) -> None:
    done = retrain(made.shop, strategy(search="random", trials=2, embargo=20), "manual")
    record = made.shop.models.record(str(done.version))

    assert record.splits["test"].start - record.splits["validation"].end == 20 * SECOND
    assert again(made.shop, record).sha256 == done.sha256


def test_its_predictions_are_those_of_xgboost_on_the_same_rows(made: Made, tmp_path: Path) -> None:
    """An independent reading of the record: its periods, its dataset, its model file."""
    record, learning = made.record, strategy().learning
    spans = {name: Span(split.start, split.end) for name, split in record.splits.items()}
    request = DatasetRequest(record.symbols, TimeBased(**spans), learning.target, every=1, features=record.features)
    build(made.shop.log, SHARDS, request, registry(), tmp_path / "rows")
    values, targets = matrix(read_split(tmp_path / "rows", "test"), record.features)
    booster = xgboost.Booster(model_file=made.shop.models.path(record))
    said = booster.predict(xgboost.DMatrix(values, feature_names=list(record.features)))
    chosen = np.array(record.classes)[(said > 0.5).astype(int) if said.ndim == 1 else said.argmax(axis=1)]

    assert float((chosen == targets).mean()) == pytest.approx(record.metrics["test"]["accuracy"])


@pytest.mark.req("MS-EC-06")
@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (strategy(min_rows=5_000), "min_rows asks for 5000"),
        (strategy(validation_days=5.0, train_days=9.0), "validation and test alone take"),
        (strategy(features=("no_such_feature",)), "has no 'no_such_feature'"),
    ],
)
def test_what_cannot_be_trained_is_refused_clearly_and_leaves_the_old_model(
    made: Made, settings: Strategy, reason: str
) -> None:
    before = made.shop.models.versions()
    done = retrain(made.shop, settings, "schedule", requests=("r2",))

    assert (done.status, done.version, done.requests) == ("failed", None, ("r2",))
    assert reason in done.error
    assert made.shop.models.versions() == before
    assert made.shop.models.open(made.record.version, made.done.sha256)
    assert not list(made.shop.folder.iterdir())


@pytest.mark.req("MS-EC-06")
def test_a_single_class_is_refused(made: Made) -> None:
    """No price moves by half within fifteen seconds."""
    flat = strategy()
    target = msgspec.structs.replace(flat.learning.target, threshold=0.5)
    flat = msgspec.structs.replace(flat, learning=msgspec.structs.replace(flat.learning, target=target))
    done = retrain(made.shop, flat, "manual")

    assert done.status == "failed"
    assert "class" in done.error and "threshold" in done.error


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    play(log, 0.1)
    shop = Workshop(log, SHARDS, registry(), ModelFiles(tmp_path / "models"), tmp_path / "work")
    done = retrain(shop, strategy(), "manual")

    assert done.status == "failed"
    assert "validation and test alone take" in done.error


def test_a_model_from_another_registry_is_not_made_again(made: Made) -> None:
    with pytest.raises(ValueError, match=r"registry version 9\.9\.9"):
        again(made.shop, msgspec.structs.replace(made.record, feature_registry_version="9.9.9"))


@pytest.mark.req("MS-US-2.5")
def test_the_backtest_compares_the_candidate_with_champion_warm_up_and_holding(made: Made) -> None:
    champion = InForce(made.record.version, made.done.sha256)
    done = retrain(replace(made.shop, tries=True), strategy(), "manual", champion=champion)
    record = made.shop.models.record(str(done.version))

    assert list(record.metrics["backtest"]) == ["candidate", "champion", "warmup", "buy_and_hold"]
    assert record.metrics["backtest"]["candidate"] == record.metrics["backtest"]["champion"]  # the same bytes
    assert done.metrics["trading_trades"] == record.metrics["test"]["trades"]
