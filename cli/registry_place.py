"""What the verbs of ``lockstep registry`` share: where the versions are, who asks, and how answers look."""

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.context import Context, Exit, UserError
from cli.registries import where_of
from cli.topics import create_topics
from connectors.postgres.migrate import Migrator

if TYPE_CHECKING:
    from learning.registries.where import Where

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Version = Annotated[str, typer.Argument(help="Such as 1.1.0.")]


@contextmanager
def place(topics: bool = False) -> Iterator["Where"]:
    """Where the versions are, with the tables there; errors as a person should see them."""
    from learning.registries.errors import Busy, Invalid, RegistriesError

    with Context() as context:
        where = where_of(context)
        Migrator(where.url).up()
        if topics:
            log = context.open_log()
            create_topics(log, context.settings)
            log.close()
        try:
            yield where
        except RegistriesError as error:
            code = Exit.HELD if isinstance(error, Busy) else Exit.USAGE if isinstance(error, Invalid) else Exit.FAILED
            raise UserError(str(error), code) from error


def say(what: Any) -> None:
    """Print JSON; times as ISO 8601."""
    typer.echo(json.dumps(what, indent=2, default=lambda value: f"{value.isoformat()}Z"))


def you() -> str:
    """Who runs this program."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "cli"


def text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"
