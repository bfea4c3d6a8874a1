"""``lockstep backfill``: fetch history from the exchange, and look at how it goes."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import psycopg
import structlog
import typer
from rich.console import Console
from rich.table import Table

from cli.asked_to_stop import asked_to_stop
from cli.backfill_parts import coverage_of, market_of, refuse_when_off
from cli.context import Context, Exit, UserError
from cli.topics import create_topics
from connectors.postgres.migrate import Migrator

if TYPE_CHECKING:
    from learning.backfill.table import Job
    from learning.backfill.worker import BackfillWorker

app = typer.Typer(help="Fetch history from the exchange, and look at how it goes.", no_args_is_help=True)
Id = Annotated[UUID, typer.Argument(help="The job's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DAY = ["%Y-%m-%d"]
Types = Annotated[
    str | None, typer.Option(help="Such as klines,funding; unset: what the features of the registry need.")
]
WAITING = "select 1 from backfill_jobs where status in ('pending', 'in_progress') limit 1"
IDLE = 2.0
"""Seconds between two looks at whether a job waits."""
LOOK = 0.5
"""Seconds between two looks at how far a job is."""


@app.command()
def fetch(
    symbol: Annotated[str, typer.Argument(help="Such as BTCUSDT.")],
    start: Annotated[datetime | None, typer.Option("--from", formats=DAY, help="First day (UTC).")] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=DAY, help="Last day (UTC), included; unset: today.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Instead of --from: so many days up to --to.")] = None,
    types: Types = None,
    later: Annotated[bool, typer.Option("--later", help="Leave it to lockstep backfill work.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch what is missing of some days, check it, and say exactly what could not be had."""
    from learning.backfill import table
    from learning.backfill.asked import Unfit, check

    with Context() as context, connected(context) as connection:
        refuse_when_off(context)
        market_of(context)
        today = datetime.now(UTC).date()
        last = end.date() if end else today
        first = start.date() if start else last - timedelta(days=(days or 1) - 1)
        names = [name.strip() for name in types.split(",")] if types is not None else None
        try:
            registry = None if names else context.registry()
            wanted = check(symbol.upper(), first, last, names, registry, today, context.settings.backfill_max_days)
        except Unfit as problem:
            raise UserError(str(problem)) from problem
        job = table.add(connection, wanted)
        if not later:
            work_off(context, job, connection, quiet=as_json)
        show(connection, job, as_json)


@app.command("list")
def list_jobs(
    symbol: Annotated[str | None, typer.Option(help="Of this symbol alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The most jobs that are shown.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show jobs, the newest first."""
    from learning.backfill import table

    with Context() as context, connected(context) as connection:
        jobs = table.listed(connection, symbol and symbol.upper(), None, limit)
    if as_json:
        typer.echo(json.dumps([as_dict(job) for job in jobs], indent=2))
        return
    shown = Table(box=None)
    for name in ("id", "symbol", "from", "to", "types", "status", "days", "rows", "asked for"):
        shown.add_column(name, no_wrap=True, min_width=36 if name == "id" else None)
    for job in jobs:
        state = "cancelled" if job.cancelled else job.status
        done = f"{len(job.completed_dates)}/{len(job.dates)}"
        when = f"{job.created_at:%Y-%m-%d %H:%M}"
        shown.add_row(
            str(job.id), job.symbol, str(job.start_date), str(job.end_date), ",".join(job.data_types), state, done,
            str(job.rows_saved), when,
        )  # fmt: skip
    wide = Console(highlight=False, soft_wrap=True)
    Console(highlight=False, soft_wrap=True, width=None if wide.is_terminal else 200).print(shown)


@app.command()
def status(job: Id, as_json: AsJson = False) -> None:
    """Show how far a job is, and what is missing."""
    with Context() as context, connected(context) as connection:
        show(connection, job, as_json)


@app.command()
def cancel(job: Id) -> None:
    """Give a job up; what it fetched stays."""
    with Context() as context, connected(context) as connection:
        found = _asked(connection, job, "cancel")
    typer.echo(f"{job}: {found.status}")


@app.command()
def retry(
    job: Id,
    later: Annotated[bool, typer.Option("--later", help="Leave it to lockstep backfill work.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the days of a job that failed once more; what is complete stays as it is."""
    with Context() as context, connected(context) as connection:
        refuse_when_off(context)
        _asked(connection, job, "retry")
        if not later:
            work_off(context, job, connection, quiet=as_json)
        show(connection, job, as_json)


@app.command()
def work(
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when nothing waits.")] = False,
) -> None:
    """Work off the jobs that wait, the oldest first, until Ctrl-C; run-dataflow does so by itself."""
    stop = asked_to_stop()
    with Context() as context:
        refuse_when_off(context)
        market_of(context)
        with connected(context):
            os.nice(19)
        while not stop.is_set():
            if some_wait(context):
                with worker(context, stop) as working:
                    working.run(until_empty=True)
            elif until_empty:
                return
            stop.wait(IDLE)


def some_wait(context: Context) -> bool:
    """Whether a job waits. What it takes to work it off is loaded only then; a database that is away has none."""
    try:
        with closing(psycopg.connect(context.database_url(), connect_timeout=10)) as connection:
            return connection.execute(WAITING).fetchone() is not None
    except psycopg.OperationalError as problem:
        structlog.get_logger().warning("backfill.database_away", problem=str(problem).strip())
        return False


def work_off(context: Context, job: UUID, connection: psycopg.Connection[Any], quiet: bool) -> None:
    """Work one job off, here or wherever it is being worked off, and tell how far it is."""
    from learning.backfill.control import known

    stop = Event()
    console = Console(stderr=True, highlight=False)
    failures: list[BaseException] = []
    with worker(context, stop) as working:

        def run() -> None:
            try:
                while not stop.is_set() and not _over(context, job) and working.work_once(job) is None:
                    stop.wait(LOOK)
            except Exception as problem:
                failures.append(problem)

        thread = Thread(target=run, name=f"backfill {job}", daemon=True)
        thread.start()
        told = ""
        try:
            while thread.is_alive():
                thread.join(LOOK)
                if not quiet and (now := line(known(connection, job))) != told:
                    told = now
                    console.print(told, markup=False, soft_wrap=True)
        finally:
            stop.set()
            thread.join()
    if failures:
        raise failures[0]


@contextmanager
def worker(context: Context, stop: Event) -> "Iterator[BackfillWorker]":
    """A worker for the session in use."""
    from learning.backfill.worker import BackfillWorker

    market = market_of(context)
    with closing(context.open_log()) as log:
        create_topics(log, context.settings)
        yield BackfillWorker(context.database_url(), market, coverage_of(context, log), stop)


def show(connection: psycopg.Connection[Any], job: UUID, as_json: bool) -> None:
    """Print a job.

    Raises:
        UserError: when there is none, or when it failed.
    """
    from learning.backfill.control import known

    try:
        found = known(connection, job)
    except LookupError as error:
        raise UserError(str(error), Exit.FAILED) from error
    if as_json:
        typer.echo(json.dumps(as_dict(found), indent=2))
    else:
        typer.echo(line(found))
        for raw, reason in found.refused.items():
            typer.echo(f"not fetched: {raw}: {reason}")
        for day, why in sorted(found.failed_dates.items()):
            typer.echo(f"{day}: {why}")
    if found.status == "failed":
        if as_json:
            sys.exit(Exit.FAILED)
        raise UserError(f"backfill {job} failed; try lockstep backfill retry {job}: {found.error_message}", Exit.FAILED)


def line(job: "Job") -> str:
    """How far a job is, in one line."""
    at = f", at {job.at_date}" if job.at_date else ""
    failed = f", {len(job.failed_dates)} not complete" if job.failed_dates else ""
    days = f"{len(job.completed_dates)} of {len(job.dates)} days"
    return f"{job.id} {job.symbol} {','.join(job.data_types)} {job.status}: {days}, {job.rows_saved} rows{failed}{at}"


def as_dict(job: "Job") -> dict[str, Any]:
    """A job as the API shows it."""
    from learning.backfill.shown import shown

    return shown(job)


@contextmanager
def connected(context: Context) -> Iterator[psycopg.Connection[Any]]:
    """The database with our tables."""
    url = context.database_url()
    Migrator(url).up()
    with closing(psycopg.connect(url, autocommit=True, options="-c timezone=UTC")) as connection:
        yield connection


def _over(context: Context, job: UUID) -> bool:
    from learning.backfill.control import known

    with closing(psycopg.connect(context.database_url(), autocommit=True)) as connection:
        return known(connection, job).over


def _asked(connection: psycopg.Connection[Any], job: UUID, action: str) -> "Job":
    from learning.backfill import control

    try:
        return control.cancel(connection, job) if action == "cancel" else control.retry(connection, job)
    except (LookupError, control.Unsuitable) as error:
        raise UserError(str(error), Exit.FAILED) from error
