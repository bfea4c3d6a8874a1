"""Logs that a backtest makes for itself: a recording, or a demo session, collected once at full speed."""

import asyncio
import json
import shutil
from hashlib import blake2b
from pathlib import Path

import typer

from cli.alone import alone
from cli.collect import feed_of, said
from cli.context import Context, Exit, UserError
from cli.sessions import name_of
from connectors.log import Log
from connectors.log.sqlite import SqliteLog
from dataflows.collect import collect
from operators.keyframe import Keyframes
from schemas.topics import EVENTS

TOPIC = "topic"
"""The source that is no recording: the topic events of the session in use."""
PAST = ("archive", "history")
"""The same topic as it was archived, or with what was fetched from the exchange."""
BUSY = "process {pid} collects the same source: wait for it"


def log_of(context: Context, source: str = TOPIC, seconds: float = 0.0, seed: int = 0) -> Log:
    """The log with the events of ``source``; a recording is collected into one of its own first, if it is not yet.

    Raises:
        UserError: when there is no such source, or nothing in it.
    """
    if source in (TOPIC, *PAST):
        return _in_use(context, source)
    if source == "bybit":
        raise UserError("--source bybit: a backtest replays what was collected; collect it first, then say topic")
    folder = context.path("backtests", "sources", _name(context, source, seconds, seed))
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "running", BUSY):
        if not (folder / "complete.json").exists():
            _collect(context, folder, source, seconds, seed)
    return SqliteLog(folder / "log")


def _in_use(context: Context, source: str) -> Log:
    """The log of the session in use, or its past."""
    log = context.open_log("log" if source == TOPIC else source)
    if not any(info.name == EVENTS.name for info in log.topics()):
        log.close()
        raise UserError(
            "the log in use holds no events yet: collect some first (make run-dataflow), or say --source demo",
            Exit.DATA,
        )
    return log


def absolute(source: str) -> str:
    """The source as it is found from everywhere."""
    return (
        source
        if source in (TOPIC, *PAST, "demo")
        else ",".join(str(Path(part).resolve()) for part in source.split(","))
    )


def said_of(source: str, seconds: float, seed: int) -> str:
    """What a report calls the source: no path of this machine."""
    if source in (TOPIC, *PAST):
        return "topic events and history" if source == "history" else "topic events"  # an archive holds the same
    return f"demo, {seconds:g} s, seed {seed}" if source == "demo" else f"recorded {Path(source).name}"


def _name(context: Context, source: str, seconds: float, seed: int) -> str:
    """The same for the same content, number of shards and settings of the demo exchange."""
    if source == "demo":
        parts = [seconds, seed, *context.settings.symbols]
    else:
        files = [file for part in source.split(",") for file in _files(Path(part))]
        parts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    content = json.dumps([context.settings.shards, parts]).encode()
    return f"{name_of(source)}-{blake2b(content, digest_size=4).hexdigest()}"


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path][: path.exists()]


def _collect(context: Context, folder: Path, source: str, seconds: float, seed: int) -> None:
    shutil.rmtree(folder / "log", ignore_errors=True)  # half a session, of a run that was interrupted
    feed = feed_of(source, list(context.settings.symbols), None, seconds if source == "demo" else None, seed)
    log = SqliteLog(folder / "log")
    typer.echo(f"collecting {said_of(source, seconds, seed)} at full speed ...", err=True)
    summary = asyncio.run(collect(feed, log, context.settings.shards, enrich=Keyframes().feed))
    log.close()
    (folder / "complete.json").write_text(json.dumps(vars(summary)))
    typer.echo(said(summary), err=True)
