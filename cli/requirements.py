"""``lockstep requirements``: which tests show which requirement, and whether they passed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.context import Exit, UserError

RECORD = Path(".lockstep") / "requirements.json"
Rows = Mapping[str, Mapping[str, str]]


def requirements(
    record: Annotated[Path, typer.Option(help="What the last test runs wrote.", dir_okay=False)] = RECORD,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Show every requirement with its tests; exit 1 if one of them did not pass."""
    rows = read_record(record)
    typer.echo(json.dumps(rows, indent=2)) if as_json else Console().print(_table(rows))
    unshown = [name for name, tests in rows.items() if verdict(tests) != "passed"]
    if unshown:
        typer.echo(f"not shown by the last run: {', '.join(unshown)}", err=True)
        raise typer.Exit(Exit.FAILED)


def read_record(path: Path) -> Rows:
    """Outcome by test by requirement, as the test runs left it.

    Raises:
        UserError: when no test was run yet.
    """
    try:
        found: Any = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run make test first, it writes it") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): delete it and run make test") from error
    return {name: found[name] for name in sorted(found)}


def verdict(tests: Mapping[str, str]) -> str:
    """What the outcomes of a requirement's tests say together.

    >>> verdict({"a": "passed", "b": "skipped"}), verdict({"a": "passed", "b": "failed"}), verdict({"a": "skipped"})
    ('passed', 'failed', 'skipped')
    """
    outcomes = set(tests.values())
    return next((word for word in ("failed", "passed") if word in outcomes), "skipped")


def _table(rows: Rows) -> Table:
    table = Table("requirement", "outcome", "tests", box=None, pad_edge=False)
    colours = {"passed": "green", "failed": "red", "skipped": "yellow"}
    for name, tests in rows.items():
        said = verdict(tests)
        listed = "\n".join(test if outcome == "passed" else f"{test} ({outcome})" for test, outcome in tests.items())
        table.add_row(name, f"[{colours[said]}]{said}[/]", listed.replace("[", r"\["))
    return table
