"""``lockstep datasets``: ask for datasets, look at them, build them, and let them go."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from cli.asked_to_stop import asked_to_stop
from cli.context import Context, Exit, UserError
from cli.registries import registry_of
from cli.sources import FromKept, Kept
from cli.topics import create_topics
from connectors.postgres.migrate import Migrator
from schemas.command import Build
from schemas.topics import COMMANDS, shard_of

if TYPE_CHECKING:
    from learning.datasets.request import DatasetRequest

app = typer.Typer(help="Ask for datasets, look at them, build them, and let them go.", no_args_is_help=True)
Id = Annotated[UUID, typer.Argument(help="The dataset's id.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, max=8, help="Processes that compute rows; unset: FEATURE_SERVICE_DATASET_WORKERS, or one for each core."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PATIENCE = 60.0
"""Seconds for which a build that runs may take to end when its dataset is deleted."""
LIST = """
select id::text, symbol, status, metadata->>'state' as state, split_strategy, train_records, validation_records,
    test_records, priority, (metadata->'progress'->>'percent')::float as percent,
    to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as created_at, error_message
from datasets order by created_at desc, id limit 1000
"""


@app.command()
def build(
    file: Annotated[Path, typer.Argument(help="The body of POST /dataset/build, as JSON or YAML; -: standard input.")],
    priority: Annotated[int | None, typer.Option(help="The larger, the sooner.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Build it here and now, when its turn comes.")] = False,
    workers: Workers = None,
    source: FromKept = Kept.log,
) -> None:
    """Ask for a dataset. lockstep learn builds it, or this command with --wait."""
    with Context() as context, connected(context) as connection:
        from learning.builds import table

        request, version, urgency = asked(context, file)
        urgency = urgency if priority is None else priority
        dataset = table.add(connection, request, version, str(context.datasets), priority=urgency)
        command(context, Build(str(dataset), time.time_ns() // 1_000, "build", urgency, request.symbols[0]))
        if wait:
            work_off(context, until_empty=True, workers=workers, source=source)
            found = table.get(connection, dataset)
            if found is None or found.status != "ready":
                row = connection.execute("select error_message from datasets where id = %s", [dataset]).fetchone()
                raise UserError(f"dataset {dataset}: {row[0] if row else 'it is gone'}", Exit.FAILED)
    typer.echo(str(dataset))


@app.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """Show every dataset, the newest first."""
    with (
        Context() as context,
        connected(context) as connection,
        connection.cursor(row_factory=psycopg.rows.dict_row) as cursor,
    ):
        rows = cursor.execute(LIST).fetchall()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None)
    for name in ("id", "symbol", "state", "split", "train", "validation", "test", "done", "asked for"):
        table.add_column(name, no_wrap=True, min_width=36 if name == "id" else None)
    for row in rows:
        counts = [str(row[f"{split}_records"]) for split in ("train", "validation", "test")]
        done = "" if row["percent"] is None else f"{row['percent']:.0f} %"
        state = row["state"] or row["status"]
        table.add_row(row["id"], row["symbol"], state, row["split_strategy"], *counts, done, row["created_at"])
    Console(highlight=False, soft_wrap=True).print(table)


@app.command()
def show(dataset: Id) -> None:
    """Print everything that is known of a dataset, as JSON."""
    with Context() as context, connected(context) as connection:
        row = connection.execute("select to_jsonb(datasets) from datasets where id = %s", [dataset]).fetchone()
    if row is None:
        raise UserError(f"no dataset {dataset}", Exit.FAILED)
    typer.echo(json.dumps(row[0], indent=2))


@app.command()
def pause(dataset: Id) -> None:
    """Hold a build up; what it has is kept while its process lives."""
    _ask(dataset, "pause")


@app.command()
def resume(dataset: Id) -> None:
    """Let a build go on."""
    _ask(dataset, "resume")


@app.command()
def cancel(dataset: Id) -> None:
    """Give a build up for good; nothing of it is kept."""
    _ask(dataset, "cancel")


@app.command()
def delete(dataset: Id) -> None:
    """Delete a dataset with its files; a build that runs is ended first."""
    from learning.builds import control

    with Context() as context, connected(context) as connection:
        deadline = time.monotonic() + PATIENCE
        try:
            while not control.remove(connection, dataset):
                if time.monotonic() > deadline:
                    raise UserError(f"the build of {dataset} does not end: try again later", Exit.HELD)
                time.sleep(0.1)
        except LookupError as error:
            raise UserError(str(error), Exit.FAILED) from error
    typer.echo(f"deleted {dataset}")


@app.command()
def work(
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when nothing waits.")] = False,
    workers: Workers = None,
    source: FromKept = Kept.log,
) -> None:
    """Build what waits, the most urgent first, until Ctrl-C; lockstep learn does so by itself."""
    stop = asked_to_stop()
    with Context() as context:
        Migrator(context.database_url()).up()
        work_off(context, until_empty, stop, workers, source)


def work_off(
    context: Context,
    until_empty: bool,
    stop: Event | None = None,
    workers: int | None = None,
    source: str = Kept.log,
) -> None:
    """Work off the queue in this process, with ``workers`` more of them (None: as the settings say)."""
    from cli.backfill_parts import history_of
    from learning.builds.work import work as run
    from learning.datasets.parallel import cores

    settings = context.settings
    amqp = settings.amqp_url.get_secret_value() if settings.amqp_url else None
    with closing(context.open_log(source)) as log:
        create_topics(log, settings)
        run(
            log,
            settings.shards,
            context.database_url(),
            lambda version: registry_of(context, version),
            amqp_url=amqp,
            until_empty=until_empty,
            stop=stop,
            workers=workers or settings.dataset_workers or cores(),
            history=history_of(context, log).ready,
        )


def asked(context: Context, file: Path) -> "tuple[DatasetRequest, str, int]":
    """The request of a file, the version of its registry, and its priority.

    Raises:
        UserError: naming everything that is wrong with it.
    """
    import yaml
    from pydantic import ValidationError

    from learning.datasets.errors import DatasetError
    from learning.datasets.request import check
    from serving.dataset_request import BuildIn, Wrong, request_of

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        body = BuildIn.model_validate(yaml.safe_load(text))
        request = request_of(body, time.time_ns() // 1_000)
        check(request, registry_of(context, body.feature_registry_version))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    except (ValidationError, Wrong, DatasetError, LookupError) as error:
        raise UserError(f"{file}: {error if isinstance(error, ValidationError) else error.args[0]}") from error
    return request, body.feature_registry_version, body.priority


def command(context: Context, build: Build) -> None:
    """Tell on ``commands`` what is wanted, so that nobody need look at the table all the time."""
    from connectors.log import NewRecord
    from schemas.codec import encode

    key = build.symbol or build.dataset_id
    with closing(context.open_log()) as log:
        create_topics(log, context.settings)
        shard = shard_of(key, context.settings.shards)
        log.append(COMMANDS.name, shard, [NewRecord(key.encode(), encode(build), build.ts)])


@contextmanager
def connected(context: Context) -> Iterator[psycopg.Connection[Any]]:
    """The database with our tables."""
    url = context.database_url()
    Migrator(url).up()
    with closing(psycopg.connect(url, autocommit=True, options="-c timezone=UTC")) as connection:
        yield connection


def _ask(dataset: UUID, action: str) -> None:
    from learning.builds import control
    from learning.builds.table import get

    with Context() as context, connected(context) as connection:
        try:
            state = control.ask(connection, dataset, action)  # type: ignore[arg-type]
        except (LookupError, control.Unsuitable) as error:
            raise UserError(str(error), Exit.FAILED) from error
        found = get(connection, dataset)
        if found:
            told = Build(str(dataset), time.time_ns() // 1_000, action, found.priority, found.symbol)  # type: ignore[arg-type]
            command(context, told)
    typer.echo(f"{dataset}: {state}")
