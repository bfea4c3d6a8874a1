"""What the environment and the files say about learning: defaults, refusals, and which children a run has."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.context import CONFIG, Context, UserError
from cli.flows import Flow
from cli.learning_settings import learning_defaults
from cli.main import build
from cli.plan import Plan
from cli.settings import SettingsError, read_settings
from cli.strategies import strategies_of
from connectors.strategies import StrategiesError, load

FILE = "strategy: alpha\nsymbols: [BTCUSDT]\n"
SAID = {
    "MODEL_PREDICTION_HORIZON_SECONDS": "300",
    "MODEL_CLASSIFICATION_THRESHOLD": "0.005",
    "MODEL_QUALITY_THRESHOLD_ACCURACY": "0.6",
    "MODEL_TRAINING_MIN_DATASET_SIZE": "500",
    "MODEL_TRAINING_MAX_DURATION_SECONDS": "60",
    "MODEL_TRAINING_CLASS_WEIGHT_METHOD": "balanced",
    "MODEL_TRAINING_HYPERPARAMETER_TUNING": "true",
    "MODEL_TRAINING_TUNING_METHOD": "bayesian",
    "MODEL_TRAINING_TUNING_MAX_ITERATIONS": "7",
    "MODEL_RETRAINING_SCHEDULE": "daily",
    "MODEL_RETRAINING_INTERVAL_DAYS": "2",
    "MODEL_RETRAINING_TRAIN_PERIOD_DAYS": "20",
    "MODEL_RETRAINING_VALIDATION_PERIOD_DAYS": "5",
    "MODEL_RETRAINING_TEST_PERIOD_DAYS": "2",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one strategy that says nothing of learning, and an environment that does not either."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path / "home"))
    for name in SAID:
        monkeypatch.delenv(name, raising=False)
    strategies = tmp_path / "strategies"
    strategies.mkdir()
    (strategies / "alpha.yaml").write_text(FILE)
    return strategies


@pytest.mark.req("MS-FR-022", "TK-MS-34")
def test_the_environment_fills_what_a_file_leaves_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the origin system's settings."""
    for name, value in SAID.items():
        monkeypatch.setenv(name, value)
    with Context() as context:
        [found] = strategies_of(context, folder)
    target, training = found.learning.target, found.learning.training

    assert (target.horizon, target.threshold) == (300, 0.005)
    assert (found.confidence, found.learning.promotion.accuracy) == (0.6, 0.6)
    assert (training.min_rows, training.max_seconds, training.class_weight) == (500, 60, "balanced")
    assert (training.search, training.trials) == ("random", 7)
    assert (training.schedule, training.interval_days) == ("daily", 2)
    assert (training.train_days, training.validation_days, training.test_days) == (20, 5, 2)


def test_what_a_file_says_counts_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SAID.items():
        monkeypatch.setenv(name, value)
    (folder / "alpha.yaml").write_text(
        FILE + "confidence: 0.9\nlearning:\n  target: {horizon: 30}\n  training: {schedule: '0 3 * * *'}\n"
    )
    with Context() as context:
        [found] = strategies_of(context, folder)

    assert (found.confidence, found.learning.promotion.accuracy) == (0.9, 0.6)
    assert (found.learning.target.horizon, found.learning.target.threshold) == (30, 0.005)
    assert found.learning.training.schedule == "0 3 * * *"


def test_without_any_of_them_the_defaults_stay(folder: Path) -> None:
    assert learning_defaults(read_settings()) == {}
    assert load(folder) == load(folder, {})


def test_every_one_is_listed_with_what_it_means(folder: Path) -> None:
    listed = CliRunner().invoke(build("settings"), ["settings", "--json"]).stdout

    assert all(f'"{name}"' in listed for name in SAID)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL_PREDICTION_HORIZON_SECONDS", "0"),
        ("MODEL_QUALITY_THRESHOLD_ACCURACY", "1.5"),
        ("MODEL_TRAINING_CLASS_WEIGHT_METHOD", "custom"),
        ("MODEL_RETRAINING_INTERVAL_DAYS", "-1"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"{name} \(environment\): '{value}' cannot be used; allowed is"):
        read_settings()


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("training: {enable: true}", "learning.training.enable: unknown field; did you mean .*enabled"),
        ("training: {family: lightgbm}", "learning.training.family: .*'lightgbm'"),
        ("training: {train_days: 1, validation_days: 2}", "train_days >= validation_days >= test_days must hold"),
        ("promotion: {margin: 0.9}", "learning.promotion.margin is above accuracy"),
        ("target: {kind: regression}\n  online: {enabled: true}", "needs the target kind classification"),
        ("target: 5", "learning.target: must be a mapping"),
    ],
)
def test_what_a_file_says_wrong_about_learning_is_named(folder: Path, block: str, said: str) -> None:
    (folder / "alpha.yaml").write_text(f"{FILE}learning:\n  {block}\n")
    with pytest.raises(StrategiesError, match=said):
        load(folder)


def test_a_schedule_that_is_none_is_refused(folder: Path) -> None:
    (folder / "alpha.yaml").write_text(FILE + "learning: {training: {schedule: every day}}\n")
    with (
        Context() as context,
        pytest.raises(UserError, match=r"alpha: learning\.training\.schedule: .every day. is no cron"),
    ):
        strategies_of(context, folder)


def test_a_run_learns_where_some_strategy_trains() -> None:
    """One of those that come along does."""
    assert [one.strategy for one in load(CONFIG / "strategies") if one.learning.training.enabled] == ["momentum_v1"]
    quiet, learning = (Plan("demo", ("A",), 1.0, Flow.trading, learns=learns) for learns in (False, True))
    assert "learn" not in quiet.commands()
    assert learning.commands()["learn"] == ["learn"]
