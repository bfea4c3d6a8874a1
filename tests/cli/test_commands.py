"""The command's contract: help everywhere, JSON where it says so, exit codes and verbs as documented."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.context import Exit
from cli.main import VERBS, build

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
README = (ROOT / "README.md").read_text()


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb and sub-verb with its command."""
    for name, sub in getattr(command, "commands", {}).items():
        yield (*path, name), sub
        yield from leaves(sub, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(build())))
JSON = sorted(path for path, command in COMMANDS.items() if any("--json" in option.opts for option in command.params))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_verb_has_help(path: tuple[str, ...]) -> None:
    """What it does in one sentence, and a text for each option."""
    done = CliRunner().invoke(build(path[0]), [*path, "--help"])
    command = COMMANDS[path]

    assert done.exit_code == 0
    assert re.fullmatch(r"[A-Z].{15,}[.]", (command.help or "").strip().splitlines()[0])
    silent = [one.name for one in command.params if not getattr(one, "help", None) and one.name != "help"]
    assert not silent


def test_every_verb_is_found_and_only_those() -> None:
    """Also when only one of them is loaded, as the console script does."""
    assert {path[0] for path in COMMANDS} == set(VERBS)
    for verb in VERBS:
        alone = [path for path, _ in leaves(typer.main.get_command(build(verb)))]
        assert alone == [path for path in COMMANDS if path[0] == verb]


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["log", "nonsense"], ["run", "nonsense"], ["digest", "--nonsense"]]
)
def test_what_is_not_a_verb_is_a_usage_error(arguments: list[str]) -> None:
    done = CliRunner().invoke(build(), arguments)

    assert done.exit_code == Exit.USAGE
    assert "onsense" in done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> dict[str, str]:
    """The settings of a home with some market data."""
    home = tmp_path_factory.mktemp("json")
    settings = {"LOCKSTEP_HOME": str(home), "LOCKSTEP_SHARDS": "2", "DATABASE_URL": postgres.start()}
    command = [sys.executable, "-m", "cli.main", "collect", "--seconds", "5", "--speed", "max"]
    subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=True)
    return settings


def has(*keys: str) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, dict) and set(keys) <= found.keys()


def rows(*keys: str) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, list) and bool(found) and all(set(keys) <= row.keys() for row in found)


SAYS: Mapping[tuple[str, ...], tuple[list[str], int, Callable[[Any], bool]]] = {
    ("collect",): (["--source", "demo", "--seconds", "1", "--speed", "max"], 0, has("appended", "events")),
    ("replay",): ([], 0, has("topics", "seconds")),
    ("parity",): ([], 1, has("identical", "topics")),  # nothing was published yet
    ("digest",): (["events"], 0, has("topic", "digest")),
    ("backtest",): ([], 0, has("run", "metrics", "missing", "digests", "result", "page")),
    ("log", "ls"): ([], 0, rows("topic", "shards", "records")),
    ("log", "describe"): (["events"], 0, rows("shard", "start", "end")),
    ("log", "copy"): (["events", "--to-sqlite", "{tmp}"], 0, rows("shard", "records")),
    ("migrate", "status"): ([], 0, rows("number", "name", "state")),
    ("exchange",): (["--source", "demo"], 0, has("address", "clock_ahead_ms", "symbols")),
    ("settings",): ([], 0, rows("name", "value", "source")),
    ("models", "list"): ([], 0, lambda found: found == []),  # nothing was trained yet
    ("models", "history"): ([], 0, lambda found: found == []),
    ("datasets", "list"): ([], 0, lambda found: found == []),
    ("strategies", "check"): ([], 0, rows("strategy", "symbols")),
    ("requirements",): (["--record", "{tmp}/record.json"], 0, has("FS-SC-001")),
}
"""Arguments, exit code and shape of what each verb prints with --json."""
REGISTRY = [
    "activate", "compare", "create", "history", "list", "reload", "rollback", "show", "sync", "usage", "validate",
]  # fmt: skip
ELSEWHERE = {
    ("up",), ("explain",), ("bridge",), ("study",), ("models", "show"), ("models", "at"), ("features", "profile"),
    *(("registry", verb) for verb in REGISTRY),
    *(("archive", verb) for verb in ("compact", "expire", "restore", "run", "status", "verify")),
    *(("backfill", verb) for verb in ("fetch", "list", "retry", "status")),
    *(("quality", verb) for verb in ("minutes", "records", "report")),
}  # fmt: skip
"""Tested with what they do."""


def test_no_verb_with_json_is_left_out() -> None:
    assert set(JSON) == set(SAYS) | ELSEWHERE


@pytest.mark.parametrize("path", SAYS, ids=" ".join)
def test_json_is_all_that_is_printed(path: tuple[str, ...], environment: dict[str, str], tmp_path: Path) -> None:
    """So that it can be piped; what is for people goes to standard error."""
    (tmp_path / "record.json").write_text('{"FS-SC-001": {"test": "passed"}}')
    arguments, code, fits = SAYS[path]
    words = [word.replace("{tmp}", str(tmp_path)) for word in arguments]
    done = CliRunner().invoke(build(path[0]), [*path, *words, "--json"], env=environment)

    assert done.exit_code == code, done.stderr
    assert fits(found := json.loads(done.stdout)), found


def test_every_exit_code_is_documented() -> None:
    documented = dict(re.findall(r"^\| (\d+) \| (\w+)\b.* \|$", README, re.MULTILINE))

    assert documented == {str(int(code)): code.name.lower() for code in Exit}


def test_make_help_lists_every_target_with_a_text() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = dict(re.findall(r"^([a-z-]+) {2,}(\S.*)$", done.stdout, re.MULTILINE))
    declared = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)

    assert declared and set(listed) == set(declared[1].split())
    assert set(listed) >= {"run-dataflow", "test", "setup", "lint", "bench", "migrate", "up", "down", "help"}
    assert all(len(text) > 10 for text in listed.values())


def test_make_knows_how_to_do_every_target() -> None:
    """A dry run; nothing is installed and nothing is started."""
    targets = re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)
    done = subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", ["Makefile", "README.md"])
def test_the_verbs_that_documents_name_exist(document: str) -> None:
    """With their sub-verbs: `lockstep log tail`."""
    words = r"(?:bin/|\)/|`|^\s*)lockstep +([a-z][a-z-]+)(?: +([a-z][a-z-]*))?"
    named = re.findall(words, (ROOT / document).read_text(), re.MULTILINE)
    groups = {path[0] for path in COMMANDS if len(path) > 1}

    assert len(named) > 3
    for verb, sub in named:
        assert (verb,) in COMMANDS, f"lockstep {verb}"
        assert verb not in groups or not sub or (verb, sub) in COMMANDS, f"lockstep {verb} {sub}"


def test_the_options_that_make_passes_on_exist() -> None:
    """`make run-dataflow SOURCE=... SPEED=... FLOW=... DURATION=... SYMBOLS=...`"""
    command = ["make", "--dry-run", "run-dataflow", "SOURCE=x y", "SPEED=max", "FLOW=f", "DURATION=7", "SYMBOLS=A,B"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    options = {option for one in COMMANDS[("run-dataflow",)].params for option in one.opts}

    assert "--source 'x y' --speed 'max' --flow 'f'" in done.stdout.replace("\\\n\t\t", "")
    assert "--duration '7' --symbols 'A,B'" in done.stdout
    assert set(re.findall(r" (--[a-z]+) '", done.stdout)) <= options
