"""What features cost: measured on what they really compute."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.context import UserError
from cli.features import app
from connectors.log import open_log
from dataflows.costs import undisturbed
from dataflows.profile import Apart, Measured, Whole, engine_of, kept, profile
from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from tests.registry.conftest import SHARDS, SHIPPED

REGISTRY = parse_registry((SHIPPED / "full.yaml").read_text())


@pytest.mark.parametrize("clocked", [Whole, Apart])
def test_features_with_clocks_compute_the_same_bytes(market: Path, clocked: type[Measured]) -> None:
    log = open_log(None, market)
    messages = kept(log, 0, 100_000)
    log.close()
    plain, _ = engine_of(0, FeatureSet.compile(REGISTRY))
    measured, _ = engine_of(0, clocked(REGISTRY, 0.0))

    expected = [output.value for output in plain.feed(messages)]
    assert len(expected) > 100
    assert [output.value for output in measured.feed(messages)] == expected


def test_every_feature_and_every_source_is_measured_as_often_as_it_occurs(market: Path) -> None:
    log = open_log(None, market)
    found = profile(log, SHARDS, REGISTRY, rounds=2)
    log.close()

    assert [one.name for one in found.features] == [entry.name for entry in REGISTRY.entries]
    assert all(one.calls == found.vectors for one in found.features if one.rhythm == "second")
    assert all(one.calls < found.vectors / 5 for one in found.features if one.rhythm == "candle")
    assert sum(source.events for source in found.sources) == found.events
    assert all((source.decode > 0) == (source.events > 0) for source in found.sources)
    shared = sum(source.features for source in found.sources)
    alone = sum(one.vector for one in found.features if not one.sources)
    assert shared + alone == pytest.approx(found.summed)
    assert sum(found.parts.values()) == pytest.approx(found.whole)


def test_the_sum_of_the_features_is_about_what_they_take_together(market: Path) -> None:
    """Within a factor that only a wrong account would miss: a feature left out, or counted every second."""
    log = open_log(None, market)
    found = profile(log, SHARDS, REGISTRY)
    log.close()

    assert found.compute / 3 < found.summed < found.compute * 3
    assert found.parts["rest"] > 0


def test_interruptions_do_not_count() -> None:
    assert undisturbed([1.0] * 990 + [1e9] * 10) == 1.0
    assert undisturbed([2.0, 1.0, 1e9]) == 2.0


def test_the_command_says_what_it_measured_and_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path / "home"))
    arguments = ["profile", "--seconds", "20", "--version", "1.0.0", "--rounds", "1"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    told = json.loads(done.stdout.splitlines()[-1])

    assert (told["version"], len(told["features"])) == ("1.0.0", 29)
    assert told["measured"].startswith(f"measured on {told['events']:,} events of demo in memory")
    assert "processor time of one thread" in told["measured"]
    read = CliRunner().invoke(app, arguments).stdout
    assert "µs a vector" in read and "µs to apply" in read and "one by one" in read


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--version", "9.9.9"], "feature registry 9.9.9 is not known"), (["--source", "topic"], "holds no events yet")],
)
def test_what_cannot_be_measured_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, ["profile", *arguments])

    assert isinstance(done.exception, UserError)
    assert says in done.exception.message
