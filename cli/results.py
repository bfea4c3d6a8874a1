"""What a backtest leaves for people and programs: a JSON file, a page, and what the command prints."""

import json
from pathlib import Path
from typing import Any

import typer

from cli.context import Context, UserError
from cli.runs import runs_of
from reports.catalogue import BY_NAME
from reports.page import tearsheet
from reports.result import FORM, encoded
from reports.template import figure

RESULT, PAGE = "result.json", "tearsheet.html"
SAID = ("profit", "return", "max_drawdown", "sharpe", "trips", "win_rate", "fees", "decisions", "signals")


def write(result: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write both files into ``folder``; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / RESULT, folder / PAGE
    data.write_bytes(encoded(result))
    page.write_text(tearsheet(json.loads(data.read_bytes())), encoding="utf-8")
    return data, page


def say(result: dict[str, Any], data: Path, page: Path, as_json: bool) -> None:
    """Print the figures."""
    if as_json:
        facts = {name: result[name] for name in ("metrics", "missing", "sampling")}
        run_id, digests = result["facts"]["run"], result["facts"]["digests"]
        typer.echo(json.dumps({"run": run_id, **facts, "digests": digests, "result": str(data), "page": str(page)}))
        return
    figures = result["metrics"]
    for name in SAID:
        value = figures[name]
        text = f"unknown: {result['missing'][name]}" if value is None else figure(value, BY_NAME[name].unit)
        typer.echo(f"{BY_NAME[name].label:14} {text}")
    typer.echo(f"figures: {data}\npage:    {page}")


def read_result(program: Context, name: str) -> dict[str, Any]:
    """A result by its file, its folder or its id.

    Raises:
        UserError: when there is none, or it cannot be used.
    """
    places = (Path(name), Path(name) / RESULT, runs_of(program) / name / RESULT)
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise UserError(f"{name} is no result: say a {RESULT}, the folder that it is in, or the id of a run")
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
        if found["form"] != FORM:
            raise UserError(f"{file} was written by another version (form {found['form']}, not {FORM}): run it again")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is no result of a backtest: {error}") from error
    return found
