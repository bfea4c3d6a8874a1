"""``lockstep schemas``: JSON Schema of every topic, and the AsyncAPI document."""

from pathlib import Path
from typing import Annotated

import typer

from cli.context import Exit
from schemas import export


def schemas(
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.", file_okay=False)] = export.FOLDER,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file is not up to date.")] = False,
) -> None:
    """Write the JSON Schema of every topic, and an AsyncAPI document that says which topic carries what."""
    if not check:
        for path in export.write(out):
            typer.echo(path)
        return
    for line in (stale := export.stale(out)):
        typer.echo(f"{out}/{line}")
    if stale:
        typer.echo("run lockstep schemas and commit the result", err=True)
        raise typer.Exit(Exit.FAILED)
    typer.echo(f"{out} is up to date")
