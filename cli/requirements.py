"""``lockstep requirements``: which tests show which requirement, and whether they passed."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.context import Exit, UserError

RECORD = Path(".lockstep") / "requirements.json"
Rows = Mapping[str, Mapping[str, str]]


def requirements(
    record: Annotated[Path, typer.Option(help="What the last test runs wrote.", dir_okay=False)] = RECORD,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Show every requirement with its tests; exit 1 if one of them did not pass."""
    rows = read_record(record)
    typer.echo(json.dumps(rows, indent=2) if as_json else "\n".join(lines(rows)))
    unshown = [name for name, tests in rows.items() if verdict(tests) != "passed"]
    if not as_json:
        typer.echo(f"{len(rows) - len(unshown)} of {len(rows)} requirements shown by tests that passed")
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


def lines(rows: Rows) -> Iterator[str]:
    """One line per requirement, and one per test below it; the cases of a test are counted, not listed.

    >>> list(lines({"FS-FR-029": {"t.py::test_a[1]": "passed", "t.py::test_a[2]": "skipped"}}))
    ['FS-FR-029  passed', '    t.py::test_a  1 passed, 1 skipped']
    """
    for name, tests in rows.items():
        yield f"{name}  {verdict(tests)}"
        grouped: dict[str, Counter[str]] = {}
        for test, outcome in tests.items():
            grouped.setdefault(test.partition("[")[0], Counter())[outcome] += 1
        for test, outcomes in grouped.items():
            yield f"    {test}  {', '.join(f'{count} {outcome}' for outcome, count in sorted(outcomes.items()))}"
