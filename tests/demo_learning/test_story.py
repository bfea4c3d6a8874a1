"""``lockstep demo-learning``, shorter than by default: the story, its bytes, and the log that it leaves."""

from collections.abc import Iterator
from hashlib import blake2b

import pytest

from cli.context import REGISTRIES
from connectors.log.sqlite import SqliteLog
from dataflows.demo_plan import LEARNER, NEVER, Plan
from dataflows.demo_story import values
from dataflows.job import Job
from dataflows.positions import parse_place
from dataflows.trading import Trading
from learning.files import ModelFiles
from operators.registry import parse_registry
from schemas.codec import decode_signal
from tests.demo_learning.running import Run, Running

MINUTES = 18
SEED = 3
GOLDEN = "e5a0d883635281bada9f592a4a2c623a"
"""Of all digests of the run."""
UPDATE = (
    "The run of this seed has changed. If code or settings that decide were changed on purpose, or the locked version"
    " of xgboost, river or numpy was, put the new digest here; if not, something is no longer deterministic."
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Run]]:
    """The same run in two processes whose sets and dicts of strings have other orders."""
    running = [Running(tmp_path_factory.mktemp(f"hash{seed}"), MINUTES, SEED, seed) for seed in (1, 2)]
    yield running[0].done(), running[1].done()


def test_the_same_seed_gives_the_same_run_in_every_process(runs):
    first, second = runs

    assert first.result == second.result
    assert first.page == second.page
    models = [{p.name: p.read_bytes() for p in sorted(run.home.rglob("v*/model.*"))} for run in runs]
    assert models[0] and models[0] == models[1]


def test_the_run_is_the_one_that_it_was(runs):
    digests = runs[0].result["facts"]["digests"]
    found = blake2b(repr(sorted(digests.items())).encode(), digest_size=16).hexdigest()

    assert found == GOLDEN, f"{UPDATE}\nnow: {found}, of {digests}"


@pytest.mark.req("MS-US-2.2", "MS-US-3.3")
def test_the_story_is_told_in_order(runs):
    """From an empty log to a model in charge, through its failure, to the next one."""
    plot = runs[0].plot
    kinds = [kind for kind, _ in plot]
    turn = kinds.index("market")
    first = next(version for kind, version in plot if kind == "promoted" and version != "online")

    assert kinds[0] == "warmup"
    before = [plot.index((kind, first)) for kind in ("trained", "shadow", "promoted", "signal")]
    assert before == sorted(before)
    assert before[-1] < turn
    drift = kinds.index("drift", turn)
    fallback = kinds.index("fallback", turn)
    assert drift < fallback
    later = [version for kind, version in plot[fallback:] if kind == "promoted" and version != "online"]
    assert later and later[0] != first
    again = [plot.index((kind, later[0])) for kind in ("trained", "shadow", "promoted", "signal")]
    assert again == sorted(again)
    assert again[0] > fallback


@pytest.mark.req("MS-US-2.6", "MS-US-2.7", "MS-US-2.8")
def test_trainings_follow_from_rows_from_time_and_from_a_model_that_fails(runs):
    """The first as soon as there are rows enough, then by the clock, and at once when the market turns over."""
    turn = Plan(MINUTES, SEED).flip
    asked = [(model["trigger"], model["trained_at"]) for model in runs[0].result["models"]]

    assert asked[0][0] == "rows"
    assert "interval" in {trigger for trigger, _ in asked}
    urgent = [at for trigger, at in asked if trigger in ("degradation", "drift") and at > turn]
    assert urgent and urgent[0] - turn < 120_000_000
    assert "failed" not in {kind for kind, _ in runs[0].plot}


def test_a_model_is_good_before_the_turn_and_useless_after_it(runs):
    result = runs[0].result
    turn = Plan(MINUTES, SEED).flip
    first = next(version for kind, version in runs[0].plot if kind == "promoted" and version != "online")
    points = result["accuracy"]["series"][first]
    before = [share for ts, share in points if ts <= turn]

    assert before[-1] > result["accuracy"]["threshold"]
    assert points[-1][1] < 0.5


@pytest.mark.req("MS-US-3.1", "MS-US-3.4")
def test_only_who_learns_ever_signals_by_a_model(runs):
    log = SqliteLog(runs[0].home / "demo-learning" / "log")
    signals = [decode_signal(value) for value in values(log, "signals", 0)]

    by_models = {signal.strategy for signal in signals if signal.model_version}
    confidence = Plan(MINUTES, SEED).strategies()[0].confidence
    assert all(signal.confidence >= confidence for signal in signals if signal.model_version and signal.kind == "entry")
    assert by_models == {LEARNER}
    assert {signal.strategy for signal in signals} == {LEARNER, NEVER}
    assert all(signal.is_warmup == (signal.model_version is None) for signal in signals if signal.kind == "entry")


def test_a_replay_of_the_log_gives_the_same_predictions_models_and_decisions(runs):
    """In yet another process, without recovery state: through every promotion and fallback."""
    folder = runs[0].home / "demo-learning"
    log = SqliteLog(folder / "log")
    registry = parse_registry((REGISTRIES / "1.1.0.yaml").read_text(encoding="utf-8"))
    job = Job(Trading(ModelFiles(folder / "models")), log, 1, registry)

    parity = job.parity(parse_place("beginning"), parse_place("end"))

    assert parity.identical, {topic: found.first for topic, found in parity.topics.items()}
    for topic in ("features", "predictions", "models", "decisions", "signals", "account", "quality"):
        assert parity.topics[topic].matches == log.end(topic, 0) > 0


def test_the_terminal_tells_the_story_and_where_the_page_is(runs):
    said = runs[0].said

    for part in (
        "warm-up",
        "trained v",
        "in shadow",
        "takes over",
        "drift",
        "back to warm-up",
        "byte",
        "learning.html",
    ):
        assert part in said
