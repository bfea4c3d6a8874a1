"""``lockstep archive``: every event as Parquet, for how long, and whether it is whole."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from cli.alone import alone
from cli.context import Context, Exit, UserError

if TYPE_CHECKING:
    from connectors.archive.catalogue import Catalogue
    from connectors.archive.entries import Gone
    from connectors.archive.retention import Policy
    from connectors.measures import Measures
    from dataflows.archive import Archive

app = typer.Typer(help="Keep every event as Parquet: archive, look, compact, expire, bring back.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Type = Annotated[str | None, typer.Option("--type", help="Only this type of event, such as book.delta.")]
Symbol = Annotated[str | None, typer.Option(help="Only this symbol.")]
ALREADY = "process {pid} already archives this log: one is enough"
GIGABYTE = 1_000_000_000


@app.command()
def run(
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop where the log ends now.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two commits at most.")] = 30.0,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on where the log begins if retention took what was not archived.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Archive the events of the log until Ctrl-C, exactly once; compact and expire what is due now and then."""
    from cli.asked_to_stop import asked_to_stop
    from cli.topics import create_topics
    from cli.workshop import gently
    from connectors.measures import Measures as Counted
    from dataflows.archive import Archive

    stop = asked_to_stop()
    gently()
    with Context() as context, closing(context.open_log()) as log:
        create_topics(log, context.settings)
        context.archive.mkdir(parents=True, exist_ok=True)
        work = Archive(
            log,
            context.settings.shards,
            context.archive,
            policy=policy_of(context),
            every=every,
            until_end=until_end,
            accept_loss=accept_loss,
            least_free=int(context.settings.archive_least_free * GIGABYTE),
            stop=stop,
        )
        with (
            alone(context.archive / "_archiving", ALREADY),
            Counted(context.home / "metrics", "archive", 0, lambda measures: _counted(work, measures)),
        ):
            work.run()
    structlog.get_logger().info("archive.done", **asdict(work.tally))
    if as_json:
        typer.echo(json.dumps(asdict(work.tally)))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show spans, rows, bytes and gaps of each type and symbol, and how far each shard is archived."""
    from cli.archive_status import show
    from connectors.archive.summary import summary

    with the_archive() as (context, catalogue), closing(context.open_log()) as log:
        found = summary(context.archive, catalogue, log)
    typer.echo(json.dumps(asdict(found), indent=2)) if as_json else show(found)


@app.command()
def compact(as_json: AsJson = False) -> None:
    """Make one file of many small ones, also of the day that goes on; run does so when it is worth it."""
    from connectors.archive.compaction import compact as compact_files
    from connectors.archive.space import need

    with the_archive() as (context, catalogue):
        need(context.archive, int(context.settings.archive_least_free * GIGABYTE))
        done = compact_files(context.archive, catalogue, everything=True)
    if as_json:
        typer.echo(json.dumps(done._asdict()))
    else:
        typer.echo(f"{done.files_before:,} files with {done.rows:,} rows are {done.files_after:,} now")


@app.command()
def expire(
    days: Annotated[
        float | None, typer.Option(min=0, help="Instead of FEATURE_SERVICE_RETENTION_DAYS; 0: for ever.")
    ] = None,
    kind: Type = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder to move files to, instead of LOCKSTEP_ARCHIVE_EXPIRED.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Move or delete what is too old, except what is being read; run does so every hour."""
    from connectors.archive import retention

    with the_archive() as (context, catalogue):
        policy = policy_of(context, days, kind, to)
        if dry_run:
            done = retention.Expired(retention.due(catalogue, policy), [])
        else:
            done = retention.expire(context.archive, catalogue, policy)
    if as_json:
        rows = [{"file": one.path, "rows": one.rows, "bytes": one.bytes} for one in done.gone]
        kept = [{"file": one.entry.path, "reason": one.reason} for one in done.kept]
        to_folder = policy.away and str(policy.away)
        typer.echo(json.dumps({"dry_run": dry_run, "moved_to": to_folder, "expired": rows, "kept": kept}, indent=2))
        return
    what = "deleted" if policy.away is None else f"moved to {policy.away}"
    rows_gone = sum(one.rows for one in done.gone)
    typer.echo(f"{len(done.gone):,} files with {rows_gone:,} rows {'would be' if dry_run else 'are'} {what}")
    for one in done.kept:
        typer.echo(f"kept {one.entry.path}: {one.reason}")


@app.command()
def restore(
    first: Annotated[str, typer.Option("--from", help="The first day, such as 2026-08-09.")] = "",
    last: Annotated[str, typer.Option("--to", help="The last day; default: all later ones.")] = "9999",
    kind: Type = None,
    symbol: Symbol = None,
    keep_days: Annotated[float, typer.Option(min=0, help="Days for which expiry leaves them alone now.")] = 7.0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring back what expiry moved away."""
    from connectors.archive import retention

    def wanted(one: "Gone") -> bool:
        place = one.entry.place
        fits = first <= place.date <= last and kind in (None, place.type) and symbol in (None, place.symbol)
        return fits and bool(one.root)

    with the_archive() as (context, catalogue):
        found = [one for one in catalogue.gone() if wanted(one)]
        if not dry_run:
            retention.restore(context.archive, catalogue, found, keep_days)
        deleted = sum(1 for one in catalogue.gone() if not one.root)
    rows = sum(one.entry.rows for one in found)
    if as_json:
        files = [one.entry.path for one in found]
        typer.echo(json.dumps({"dry_run": dry_run, "restored": files, "rows": rows, "deleted": deleted}, indent=2))
        return
    typer.echo(f"{len(found):,} files with {rows:,} rows {'would be' if dry_run else 'are'} back")
    if deleted:
        typer.echo(f"{deleted:,} other files were deleted by expiry and cannot come back")


@app.command()
def verify(
    quick: Annotated[bool, typer.Option("--quick", help="Only whether each file is there in its size.")] = False,
    with_log: Annotated[
        bool, typer.Option("--with-log", help="Also compare every record with the log, where that still has it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look whether every file is what was written and every offset is there once. Exit 1 if not."""
    from connectors.archive.verify import verify as verify_files

    with the_archive() as (context, catalogue), closing(context.open_log()) as log:
        found = verify_files(context.archive, catalogue, log if with_log else None, quick)
    if as_json:
        typer.echo(json.dumps(found._asdict(), indent=2))
    else:
        for problem in found.problems:
            typer.echo(problem)
        compared = f", {found.compared:,} records as on the log" if with_log else ""
        verdict = f"{len(found.problems)} problems" if found.problems else "whole"
        typer.echo(f"{found.files:,} files, {found.rows:,} rows{compared}: {verdict}")
    if found.problems:
        raise typer.Exit(Exit.FAILED)


@contextmanager
def the_archive() -> "Iterator[tuple[Context, Catalogue]]":
    """The archive that the settings name."""
    from connectors.archive.catalogue import Catalogue

    with Context() as context, Catalogue(context.archive) as catalogue:
        yield context, catalogue


def policy_of(
    context: Context, days: float | None = None, kind: str | None = None, away: Path | None = None
) -> "Policy":
    """What the settings say about expiry, or the command line: ``days``, of one type alone or of all.

    Raises:
        UserError: for a type that there is not, or that stays for ever.
    """
    from connectors.archive.kinds import UNREADABLE, kinds
    from connectors.archive.retention import FOR_EVER, Policy

    settings = context.settings
    away = away or settings.archive_away
    folder = None if away is None else away.absolute() / context.session.name
    policy = Policy(settings.archive_days, settings.archive_days_by_type, folder)
    names = (*kinds(), UNREADABLE)
    if kind is not None and (kind not in names or kind in FOR_EVER):
        raise UserError(f"--type {kind}: those that expire are {', '.join(sorted(set(names) - FOR_EVER))}")
    if kind is not None:
        only = policy.of(kind) if days is None else days
        return policy._replace(days=0.0, by_type={kind: only})
    return policy if days is None else policy._replace(days=days, by_type={})


def _counted(work: "Archive", measures: "Measures") -> None:
    """Hand what was done to the measures."""
    for what, total in asdict(work.tally).items():
        measures.counted(f"archive_{what}", total)
