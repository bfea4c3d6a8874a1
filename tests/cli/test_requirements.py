"""Traceability: ids are checked, outcomes are recorded, and the verb tells them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from cli.requirements import requirements, verdict
from tests.fix_requirements import complaint, known_ids, merge

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.mark.req("FS-FR-003.2", "FS-SC-001")
def test_good(): pass

@pytest.mark.req("FS-FR-003.2")
@pytest.mark.parametrize("n", [1, 2])
def test_each(n): assert n == 1

@pytest.mark.req("FS-US-1.1")
def test_later(): pytest.skip("not here")

def test_unmarked(): pass
"""


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A session of its own on the tests in ``folder``, with only the plugin under test."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = req(*ids): rows\n")
    plugin = ["-p", "tests.fix_requirements", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, *options]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def recorded(folder: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((folder / ".lockstep" / "requirements.json").read_text())
    return found


def test_a_session_records_what_came_of_each_requirement(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    run_pytest(tmp_path)

    assert recorded(tmp_path) == {
        "FS-FR-003.2": {
            "test_it.py::test_each[1]": "passed",
            "test_it.py::test_each[2]": "failed",
            "test_it.py::test_good": "passed",
        },
        "FS-SC-001": {"test_it.py::test_good": "passed"},
        "FS-US-1.1": {"test_it.py::test_later": "skipped"},
    }


def test_a_partial_session_keeps_what_it_did_not_run_and_forgets_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "test_gone.py").write_text("import pytest\n@pytest.mark.req('FS-SC-002')\ndef test_a(): pass\n")
    run_pytest(tmp_path)
    (tmp_path / "test_gone.py").unlink()
    (tmp_path / "test_it.py").write_text(TESTS.replace("assert n == 1", "pass"))
    run_pytest(tmp_path, "-k", "test_each")

    assert set(recorded(tmp_path)["FS-FR-003.2"].values()) == {"passed"}
    assert recorded(tmp_path)["FS-SC-001"] == {"test_it.py::test_good": "passed"}
    assert "FS-SC-002" not in recorded(tmp_path)


def test_an_id_that_looks_wrong_stops_the_session_and_names_the_test(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import pytest\n@pytest.mark.req('FR-3')\ndef test_a(): pass\n")
    done = run_pytest(tmp_path)

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_it.py::test_a: 'FR-3' does not look like" in done.stdout + done.stderr


def test_an_id_that_the_checklist_lacks_is_refused_where_there_is_a_checklist() -> None:
    assert complaint("FS-FR-999", {"FS-FR-001"}) == "FS-FR-999 is not in requirements.md"
    assert complaint("FS-FR-999", None) is None
    assert complaint("FS-FR-001", {"FS-FR-001"}) is None


def test_every_row_of_the_checklist_is_recognised() -> None:
    """The pattern must not be narrower than the list."""
    known = known_ids()
    if known is None:
        pytest.skip("no checklist of requirements: ../shared/contracts is absent")
    assert {"FS-FR-003.2", "FS-FR-001.1.2", "MS-SC-016", "TK-GR-05", "FS-AS-08", "MS-EC-15", "FS-US-1.1"} <= known


def test_what_ran_replaces_what_was_known_of_it() -> None:
    """Also when a test shows another requirement than before."""
    before = {"A": {"t1": "failed", "t2": "passed"}, "B": {"t3": "passed"}}
    assert merge(before, {"B": {"t1": "passed"}}, {"t3"}) == {"A": {"t2": "passed"}, "B": {"t1": "passed"}}


@pytest.mark.parametrize(("outcome", "code"), [("passed", 0), ("failed", 1), ("skipped", 1)])
def test_the_verb_lists_ids_tests_and_outcome_and_fails_on_what_is_not_shown(
    tmp_path: Path, outcome: str, code: int
) -> None:
    record = tmp_path / "requirements.json"
    record.write_text(json.dumps({"FS-SC-001": {"tests/x.py::test_a[1]": outcome}}))
    app = Typer()
    app.command()(requirements)
    done = CliRunner().invoke(app, ["--record", str(record)])

    assert done.exit_code == code
    assert all(word in done.output for word in ("FS-SC-001", "tests/x.py::test_a", f"1 {outcome}"))
    assert verdict({"a": outcome}) == outcome
