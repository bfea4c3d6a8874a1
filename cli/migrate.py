"""``lockstep migrate``: bring the database to this version's schema, or back."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from cli.context import Context
from connectors.postgres.migrate import Migration, Migrator

app = typer.Typer(help="Bring the database to this version's schema, or back.", no_args_is_help=True)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@app.command()
def up(dry_run: DryRun = False) -> None:
    """Apply every migration that is not applied yet."""
    with Context() as context:
        done = Migrator(context.database_url()).up(dry_run)
    _tell("would apply" if dry_run else "applied", done, "the database is up to date")


@app.command()
def down(
    steps: Annotated[int, typer.Option(min=1, help="How many migrations to take back.")] = 1, dry_run: DryRun = False
) -> None:
    """Take back the last migrations."""
    with Context() as context:
        done = Migrator(context.database_url()).down(steps, dry_run)
    _tell("would take back" if dry_run else "took back", done, "there is nothing to take back")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead of lines.")] = False,
) -> None:
    """Show where each migration stands."""
    with Context() as context:
        rows = Migrator(context.database_url()).status()
    if as_json:
        typer.echo(json.dumps([vars(row) for row in rows], indent=2))
        return
    for row in rows:
        typer.echo(f"{row.number:04d}_{row.name}  {row.state}  {row.applied_at or ''}".rstrip())


def _tell(verb: str, done: Sequence[Migration], nothing: str) -> None:
    for migration in done:
        typer.echo(f"{verb} {migration.number:04d}_{migration.name}")
    if not done:
        typer.echo(nothing)
