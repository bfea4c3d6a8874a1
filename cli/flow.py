"""``lockstep run``, ``replay``, ``parity`` and ``digest``: a flow on the log, live and again."""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from cli.alone import alone
from cli.cluster import run_cluster
from cli.context import Context, Exit, UserError, clear_errors
from cli.flows import Flow, recipe_of
from cli.processes import end_leftovers
from cli.sources import FromKept, FromSource, Kept, Source
from cli.topics import create_topics, keep_house
from connectors.fatal import told
from connectors.log import Log
from connectors.measures import Measures
from connectors.postgres.lease import Lease
from connectors.sink import Counters
from dataflows import recovery
from dataflows.digest import digest as digest_of
from dataflows.job import BATCH, Job
from dataflows.positions import Place, parse_place

WAIT_FOR_LEASE = 10.0
"""Seconds: a writer that was just killed is forgotten by the database within moments."""
ALREADY = "process {{pid}} already runs {flow} on this log: stop it first, one writer is what makes a result exact"


From = Annotated[str, typer.Option("--from", help="beginning, end, an offset, or a time such as 2026-08-09T21:27:00Z")]
To = Annotated[str, typer.Option("--to", help="as --from; exclusive")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
BatchSize = Annotated[int, typer.Option(min=1, help="The most messages a poll takes. It never changes a result.")]


def run(
    flow: Annotated[Flow, typer.Argument(help="Which flow.")] = Flow.trading,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many processes share the shards.")] = 1,
    prefix: Annotated[str, typer.Option(help="Write to topics named prefix + topic: a shadow run.")] = "",
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop where the log ends now.")] = False,
    batch: BatchSize = BATCH,
    discard_state: Annotated[
        bool, typer.Option("--discard-state", help="Throw the recovery directory away; rebuild from the log.")
    ] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on where the log begins if retention took what was not processed.")
    ] = False,
    process: Annotated[
        int | None, typer.Option("-i", "--process-id", min=0, help="Run one process of a cluster: its number.")
    ] = None,
    address: Annotated[
        list[str] | None, typer.Option("-a", "--address", help="host:port of every process of the cluster, in order.")
    ] = None,
) -> None:
    """Run a flow on the log: live, exactly once, resuming where it was."""
    if process is not None and not address:
        raise UserError("-i says which process of a cluster this is, so -a must give the address of every one")
    with Context() as context, ExitStack() as held:
        directory = context.session / "recovery" / (prefix + flow.value)
        if process is None:
            held.enter_context(sole(context, directory))
            if discard_state:
                recovery.discard(directory)
        log = context.open_log()
        create_topics(log, context.settings, prefix)
        job = Job(recipe_of(flow, context.models), log, context.settings.shards, context.registry(), batch)
        job.prepare(directory, log_name(context))
        if process is None and processes > 1:
            url = context.database_url()
            log.close()
            options = [
                "--prefix",
                prefix,
                *(["--until-end"] if until_end else []),
                *(["--accept-loss"] if accept_loss else []),
            ]
            command = [sys.executable, "-m", "cli.main", "run", flow.value, "--batch", str(batch), *options]
            raise typer.Exit(run_cluster(command, processes, context.home, {"DATABASE_URL": url}))
        counters = Counters()
        if not process and context.settings.retention_days:
            Thread(target=keep_house, args=(context.open_log,), daemon=True).start()
        lease = Lease(context.database_url(), f"{flow.value}/{process or 0}")
        names = context.settings.topic_prefix
        ending = nullcontext() if process is None else member(job, directory, accept_loss)
        with Measures(context.home / "metrics", prefix + flow.value, process or 0, counted(counters)), ending:
            job.live(
                directory,
                prefix=prefix,
                take=lambda topic, shard: lease.shard(names + topic, shard, WAIT_FOR_LEASE),
                counters=counters,
                process=process,
                addresses=address,
                until_end=until_end,
                accept_loss=accept_loss,
            )


def member(job: Job, directory: Path, accept_loss: bool) -> AbstractContextManager[None]:
    """Ends a process of a cluster at its first error, with a message and an exit code that the cluster understands.

    State that cannot be used is condemned: the cluster starts again and rebuilds it.
    """

    def end(error: Exception) -> None:
        if job.rebuilds(error, accept_loss):
            recovery.condemn(directory, str(error))
            error = UserError(f"{error}; the next start rebuilds the state from the log", Exit.UNAVAILABLE)
        try:
            with clear_errors():
                raise error
        except SystemExit as ending:
            os._exit(int(ending.code or Exit.FAILED))
        except Exception:
            traceback.print_exc()
            os._exit(Exit.FAILED)

    return told(end)


@contextmanager
def sole(context: Context, directory: Path) -> Iterator[None]:
    """Be the only run of the flow on a recovery directory: a second one would spoil what the first one stores there.

    Processes of a cluster whose parent was killed are ended first.

    Raises:
        UserError: naming the process that runs the flow already.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with alone(directory.with_name(f"{directory.name}.running"), ALREADY.format(flow=directory.name)):
        end_leftovers(context.home / "processes")
        yield


def replay(
    flow: Annotated[Flow, typer.Argument(help="Which flow.")] = Flow.trading,
    first: From = "beginning",
    last: To = "end",
    prefix: Annotated[str, typer.Option(help="Outputs go to topics named prefix + topic.")] = "replay.",
    batch: BatchSize = BATCH,
    source: FromKept = Kept.log,
    as_json: AsJson = False,
) -> None:
    """Feed a range of the log through a flow again, into topics of its own."""
    begin = time.perf_counter()
    with Context() as context:
        log = context.open_log(source)
        job = Job(
            recipe_of(flow, context.models), log, shards_of(log, context.settings.shards), context.registry(), batch
        )
        counters = job.replay(place_of(first), place_of(last), prefix)
    seconds = time.perf_counter() - begin
    topics = {prefix + topic: counters.written.get(prefix + topic, 0) for topic in job.recipe.WRITES}
    if as_json:
        typer.echo(json.dumps({"topics": topics, "seconds": seconds}))
        return
    for topic, count in topics.items():
        typer.echo(f"{topic}: {count} records")
    typer.echo(f"replayed in {seconds:.1f} s; read them with: lockstep log tail {prefix}{job.recipe.WRITES[-1]}")


def parity(
    flow: Annotated[Flow, typer.Argument(help="Which flow.")] = Flow.trading,
    first: From = "beginning",
    last: To = "end",
    source: FromKept = Kept.log,
    as_json: AsJson = False,
) -> None:
    """Replay a range through today's code and compare it with what was published. Exit 1 on any difference."""
    with Context() as context:
        log = context.open_log(source)
        job = Job(recipe_of(flow, context.models), log, shards_of(log, context.settings.shards), context.registry())
        result = job.parity(place_of(first), place_of(last))
    if as_json:
        rows = {
            topic: {**vars(found), "first": found.first and {"origin": list(found.first[0]), "reason": found.first[1]}}
            for topic, found in result.topics.items()
        }
        typer.echo(json.dumps({"identical": result.identical, "topics": rows}))
    else:
        for topic, found in result.topics.items():
            counts = f"{found.mismatches} differ, {found.missing} missing, {found.extra} extra"
            typer.echo(f"{topic}: {found.matches} match, {counts}")
            if found.first is not None:
                origin, reason = found.first
                typer.echo(
                    f"  first divergence: shard {origin.shard}, offset {origin.offset}, {origin.index}: {reason}"
                )
        typer.echo("in lockstep" if result.identical else "NOT in lockstep")
    if not result.identical:
        raise typer.Exit(Exit.FAILED)


def digest(
    topic: Annotated[str, typer.Argument(help="The topic.")] = "features",
    source: FromSource = Source.log,
    as_json: AsJson = False,
) -> None:
    """Print one number for the whole content of a topic: equal digests, equal bytes."""
    with Context() as context:
        log = context.open_log(source)
        value = digest_of(log, topic, shards_of(log, context.settings.shards, topic))
    typer.echo(json.dumps({"topic": topic, "digest": value}) if as_json else value)


def shards_of(log: Log, default: int, topic: str = "events") -> int:
    """How many shards the topic has."""
    return next((info.shards for info in log.topics() if info.name == topic), default)


def log_name(context: Context) -> str:
    """What tells this log from another one."""
    home = context.settings.kafka_bootstrap_servers or str(context.session)
    return f"{home} {context.settings.topic_prefix}"


def counted(counters: Counters) -> Callable[[Measures], None]:
    """Hands what a process wrote to its measures."""

    def fill(measures: Measures) -> None:
        for topic, total in counters.written.copy().items():
            measures.counted("records_written", total, topic=topic)
        for topic, total in counters.suppressed.copy().items():
            measures.counted("duplicates_suppressed", total, topic=topic)

    return fill


def place_of(text: str) -> Place:
    """A place in the log from a command line.

    Raises:
        UserError: when it names none.
    """
    try:
        return parse_place(text)
    except ValueError as error:
        raise UserError(str(error)) from None
