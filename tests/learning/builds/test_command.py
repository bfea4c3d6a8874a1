"""``lockstep datasets``: what is asked for, built, shown, held up and deleted."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.context import UserError
from cli.main import build
from tests.learning.builds.made import row, state
from tests.serving.learning import body


@pytest.mark.req("FS-EC-08", "FS-EC-10", "TK-FS-30")
def test_datasets_are_asked_for_built_shown_paused_and_deleted(url: str, tmp_path: Path) -> None:
    """What is wrong with a request is told, and nothing of it is kept."""
    app = build("datasets")
    settings = {"LOCKSTEP_HOME": str(tmp_path / "home"), "DATABASE_URL": url, "LOCKSTEP_SHARDS": "2"}

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["datasets", *words], env=settings)

    def said(*words: str) -> str:
        done = run(*words)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    def refused(*words: str) -> str:
        error = run(*words).exception
        assert isinstance(error, UserError)
        return error.message

    file, wrong = tmp_path / "ask.json", tmp_path / "wrong.json"
    file.write_text(json.dumps(body(feature_registry_version="1.0.0")))
    wrong.write_text(json.dumps(body(feature_registry_version="1.0.0", test_period_end=None)))
    assert "time_based needs all six periods; missing: test_period_end" in refused("build", str(wrong))
    dataset = said("build", str(file), "--priority", "3")
    assert said("pause", dataset) == f"{dataset}: paused"
    said("work", "--until-empty")
    assert (state(url, dataset), row(url, dataset)["priority"]) == ("paused", 3)
    assert said("resume", dataset) == f"{dataset}: queued"
    said("work", "--until-empty")

    assert row(url, dataset)["status"] == "failed"
    assert "the log has no rows for" in row(url, dataset)["error_message"]
    assert json.loads(said("show", dataset))["id"] == dataset
    (listed,) = json.loads(said("list", "--json"))
    assert (listed["id"], listed["state"]) == (dataset, "failed")
    assert dataset in said("list")
    assert "only a build that is not over can be" in refused("cancel", dataset)
    assert said("delete", dataset) == f"deleted {dataset}"
    assert f"no dataset {dataset}" in refused("delete", dataset)
    assert said("list", "--json") == "[]"
