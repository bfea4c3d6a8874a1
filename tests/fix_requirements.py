"""Traceability: collects which tests show which requirement and what came of them.

A test says ``@pytest.mark.req("FS-FR-003.2")``. After the session ``.lockstep/requirements.json`` under pytest's root
holds ``{requirement: {test: outcome}}``; what a session did not run keeps its outcome from the one before, as long as
the test still exists.
"""

import json
import os
import re
from pathlib import Path

import pytest

PATTERN = re.compile(r"(FS|MS)-(FR|SC|US|EC|AS)-\d+(\.\d+)*|TK-(FS|RG|DQ|ST|GR|OP|MS)-\d+")
CHECKLIST = Path(__file__).resolve().parents[2] / "shared" / "contracts" / "requirements.md"
RANK = {"passed": 0, "skipped": 1, "failed": 2}


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Requirements(config), "requirements")


def known_ids(checklist: Path = CHECKLIST) -> set[str] | None:
    """The ids of the checklist beside the repository; None in a clone that has none."""
    if not checklist.is_file():
        return None
    return {cell for line in checklist.read_text().splitlines() if (cell := first_cell(line))}


def first_cell(line: str) -> str | None:
    cell = line.strip("|").split("|")[0].strip()
    return cell if PATTERN.fullmatch(cell) else None


def complaint(name: object, known: set[str] | None) -> str | None:
    """What is wrong with an id, or None."""
    if not isinstance(name, str) or not PATTERN.fullmatch(name):
        return f"{name!r} does not look like the id of a requirement (FS-FR-003.2)"
    if known is not None and name not in known:
        return f"{name} is not in {CHECKLIST.name}"
    return None


def merge(
    before: dict[str, dict[str, str]], now: dict[str, dict[str, str]], gone: set[str]
) -> dict[str, dict[str, str]]:
    """The record after a session: what it ran replaces what was known of these tests; ``gone`` tests are dropped."""
    ran = {test for tests in now.values() for test in tests}
    merged: dict[str, dict[str, str]] = {}
    for record, passing in ((before, ran | gone), (now, set[str]())):
        for name, tests in record.items():
            merged.setdefault(name, {}).update({test: said for test, said in tests.items() if test not in passing})
    return {name: dict(sorted(merged[name].items())) for name in sorted(merged) if merged[name]}


class Requirements:
    """The plugin: ids by test while collecting, outcomes while running, one file at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.ids: dict[str, tuple[str, ...]] = {}
        self.outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known, problems = known_ids(), []
        for item in items:
            ids = [name for mark in item.iter_markers("req") for name in mark.args]
            problems += [f"{item.nodeid}: {wrong}" for name in ids if (wrong := complaint(name, known))]
            item.user_properties += [("req", name) for name in dict.fromkeys(ids)]
        if problems:
            raise pytest.UsageError("\n".join(problems))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Properties travel with the report, so this works in the process that distributes tests, too.
        self.ids[report.nodeid] = tuple(str(value) for name, value in report.user_properties if name == "req")
        worst = max(report.outcome, self.outcomes.get(report.nodeid, "passed"), key=lambda outcome: RANK[outcome])
        self.outcomes[report.nodeid] = worst

    def pytest_sessionfinish(self) -> None:
        if hasattr(self.config, "workerinput") or not self.outcomes:
            return
        path = self.config.rootpath / ".lockstep" / "requirements.json"
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        merged = merge(read(path), self.shown(), self.gone(read(path)))
        fresh.write_text(json.dumps(merged, indent=1))
        fresh.replace(path)

    def shown(self) -> dict[str, dict[str, str]]:
        """Outcome by test by requirement, of this session."""
        rows: dict[str, dict[str, str]] = {}
        for test, outcome in self.outcomes.items():
            for name in self.ids.get(test, ()):
                rows.setdefault(name, {})[test] = outcome
        return rows

    def gone(self, before: dict[str, dict[str, str]]) -> set[str]:
        """Tests of earlier sessions whose file is no more, or that this session ran the file of and did not find."""
        files = {test.split("::")[0] for test in self.outcomes}
        known = {test for tests in before.values() for test in tests}
        whole = not (self.config.option.keyword or self.config.option.markexpr or "::" in str(self.config.args))
        return {
            test
            for test in known
            if not (self.config.rootpath / test.split("::")[0]).exists()
            or (whole and test.split("::")[0] in files and test not in self.outcomes)
        }


def read(path: Path) -> dict[str, dict[str, str]]:
    """What earlier sessions left; nothing where the file is missing or damaged."""
    try:
        found: dict[str, dict[str, str]] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found
