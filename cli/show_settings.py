"""``lockstep settings``: what is set, where from, and what it means."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli import context
from cli.settings import Shown, shown


def settings(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead of a table.")] = False,
) -> None:
    """List every setting with its value, its source and its meaning; secrets are masked."""
    rows = shown(context.read())
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=2))
    else:
        Console().print(_table(rows))


def _table(rows: list[Shown]) -> Table:
    table = Table("setting", "value", "source", "meaning", "allowed", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row.name, "-" if row.value is None else row.value, row.source, row.about, row.allowed)
    return table
