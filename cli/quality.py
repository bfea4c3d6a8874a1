"""``lockstep quality``: how good the data of a symbol were, and what to do about it."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, LiteralString, cast

import msgspec
import psycopg
import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from cli.context import Context, UserError
from cli.topics import create_topics
from connectors.log import NewRecord
from connectors.postgres.migrate import Migrator
from reports.quality.onlog import minutes_on_log, records_on_log, report_on_log
from reports.quality.period import MINUTE, PeriodError, Span, parse_time, whole_minutes, written
from schemas.codec import encode
from schemas.command import Resync
from schemas.quality import QualityMinute
from schemas.topics import COMMANDS, shard_of

if TYPE_CHECKING:
    from reports.quality.report import Report

app = typer.Typer(help="See how good the data were, and what to do about it.", no_args_is_help=True)
DAY = 24 * 60 * 60 * 1_000_000
Symbol = Annotated[str, typer.Argument(help="Such as BTCUSDT.")]
From = Annotated[str | None, typer.Option("--from", help="ISO 8601, UTC; default: a day before --to.")]
To = Annotated[str | None, typer.Option("--to", help="ISO 8601, UTC; default: now.")]
OfLog = Annotated[bool, typer.Option("--log", help="Read the log, not the database.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def report(symbol: Symbol, start: From = None, end: To = None, of_log: OfLog = False, as_json: AsJson = False) -> None:
    """Rates, gaps and recommendations over a period, kept in the table data_quality_reports.

    Where the database knows nothing of the period, the log is read instead.
    """
    from connectors.postgres.quality_reports import keep_report
    from reports.quality.making import as_row, read_report

    period, name = asked_period(start, end), symbol.upper()
    with Context() as context:
        made = None
        if not of_log:
            with closing(connect(context)) as connection:
                made = read_report(lambda query, params: _rows(connection, query, params), name, period)
                if made.covered:
                    keep_report(connection, as_row(made))
        if made is None or not made.covered:
            with closing(context.open_log()) as log:
                made = report_on_log(log, context.settings.shards, name, period)
    if as_json:
        typer.echo(json.dumps(_as_json(made, as_row(made))))
    else:
        _print(made)


@app.command()
def minutes(symbol: Symbol, start: From = None, end: To = None, of_log: OfLog = False, as_json: AsJson = False) -> None:
    """Every minute of a period, one a line."""
    from connectors.postgres.quality_reports import minutes_of

    period, name = asked_period(start, end), symbol.upper()
    with Context() as context:
        found: list[QualityMinute] = []
        if not of_log:
            with closing(connect(context)) as connection:
                found = minutes_of(
                    lambda query, params: _rows(connection, query, params), name, period.start, period.end
                )
        if not found:
            with closing(context.open_log()) as log:
                found = minutes_on_log(log, context.settings.shards, name, period)
    if as_json:
        typer.echo(json.dumps([_minute(one) for one in found]))
        return
    table = Table("minute up to", "received", "missing", "gaps", "lost", "unknown s", "anomalies", "skew s", box=None)
    for one in found:
        shown = _minute(one)
        table.add_row(*(str(shown[name]) for name in SHOWN))
    Console(highlight=False).print(table)


@app.command()
def records(
    symbol: Symbol,
    start: From = None,
    end: To = None,
    problem: Annotated[str | None, typer.Option(help="Only this kind, such as trade.spike.")] = None,
    as_json: AsJson = False,
) -> None:
    """What was observed within a period, from the log: gaps, lost books, spikes, silences."""
    period = asked_period(start, end)
    with Context() as context, closing(context.open_log()) as log:
        found = records_on_log(log, context.settings.shards, symbol.upper(), period)
    wanted = [one for one in found if problem in (None, one.problem)]
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(one) for one in wanted]))
        return
    for one in wanted:
        detail = " ".join(f"{name}={value}" for name, value in one.detail.items())
        typer.echo(f"{written(one.ts)}  {one.problem:20} {detail}")


@app.command()
def resync(symbol: Symbol, reason: Annotated[str, typer.Option(help="Why, for the record.")] = "by hand") -> None:
    """Ask the collector for a fresh book of a symbol."""
    name = symbol.upper()
    with Context() as context, closing(context.open_log()) as log:
        create_topics(log, context.settings)
        command = Resync(name, time.time_ns() // 1_000, reason)
        shard = shard_of(name, context.settings.shards)
        log.append(COMMANDS.name, shard, [NewRecord(name.encode(), encode(command), command.ts)])
    typer.echo(f"asked for a fresh book of {name}; a running `lockstep collect` fetches it within a second")


def asked_period(start: str | None, end: str | None) -> Span:
    """The whole minutes asked for; the last day where nothing is said.

    Raises:
        UserError: when they make no period.
    """
    try:
        last = time.time_ns() // 1_000 // MINUTE * MINUTE if end is None else parse_time(end, "--to")
        return whole_minutes(last - DAY if start is None else parse_time(start, "--from"), last)
    except PeriodError as error:
        raise UserError(str(error)) from None


def connect(context: Context) -> psycopg.Connection[Any]:
    """The database with our tables."""
    url = context.database_url()
    Migrator(url).up()
    return psycopg.connect(url, autocommit=True, options="-c timezone=UTC", row_factory=cast(Any, dict_row))


def _rows(connection: psycopg.Connection[Any], query: LiteralString, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    return connection.execute(query, params).fetchall()


SHOWN = (
    "minute", "received", "missing_rate", "sequence_gaps", "desynchronisations", "book_unknown_seconds", "anomalies",
    "skew_seconds",
)  # fmt: skip


def _minute(one: QualityMinute) -> dict[str, Any]:
    from connectors.postgres.quality_rows import share

    channels = one.channels.values()
    missing, expected = sum(channel.missing for channel in channels), sum(channel.expected for channel in channels)
    return {
        "minute": written(one.ts),
        "received": sum(channel.received for channel in channels),
        "missing_rate": round(share(missing, expected), 4),
        "sequence_gaps": sum(channel.gaps for channel in channels),
        "desynchronisations": one.desynchronised,
        "book_unknown_seconds": one.blind / 1e6,
        "anomalies": sum(one.anomalies.values()),
        "skew_seconds": one.skew / 1e6,
        "channels": msgspec.to_builtins(one.channels),
        "by_kind": one.anomalies,
    }


def _as_json(made: "Report", row: dict[str, Any]) -> dict[str, Any]:
    times = {name: written(row[name]) for name in ("period_start", "period_end")}
    extra = {"covered_minutes": made.covered, "minutes": made.minutes, "told": made.told}
    return {**row, "id": str(row["id"]), **times, "data_completeness_rate": round(1 - row["missing_rate"], 4), **extra}


def _print(made: "Report") -> None:
    from reports.quality.advice import recommendations

    period = f"{written(made.period.start)} to {written(made.period.end)}"
    typer.echo(f"{made.symbol}, {period}: {made.covered} of {made.minutes} minutes known")
    typer.echo(f"complete {1 - made.missing_rate:.4%}   anomalies {made.anomaly_rate:.4%} of {made.received} messages")
    typer.echo(
        f"sequence gaps {made.sequence_gaps}   books lost {made.desynchronised} (unknown for {made.blind / 1e6:.1f} s)"
    )
    for name, one in made.channels.items():
        typer.echo(
            f"  {name:10} received {one.received:>9}  missing {one.missing}/{one.expected}  gaps {one.gaps}  repeated"
            f" {one.duplicates}  late {one.late}  anomalies {one.anomalies}  longest silence {one.silence / 1e6:.1f} s"
        )
    for number, text in enumerate(recommendations(made), start=1):
        typer.echo(f"{number}. {text}")
    if not recommendations(made):
        typer.echo("nothing to be done")
