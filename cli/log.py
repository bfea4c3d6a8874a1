"""``lockstep log``: what is on the log, and moving it from one home to the other."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.context import Context, UserError
from cli.settings import kafka_settings
from connectors.log import Log, Reader, Record, open_log
from connectors.log.copy import copy_topic, topic_info
from connectors.log.describe import describe as describe_topic
from connectors.log.describe import summary
from connectors.log.span import span

app = typer.Typer(help="Look at the log, and copy it.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON array instead of a table.")]
Topic = Annotated[str, typer.Argument(help="The topic's name.")]
PAUSE = 0.05
"""Seconds for which a follower of several shards waits for one of them."""


@contextlib.contextmanager
def the_log() -> Iterator[Log]:
    """The log that the settings name, closed afterwards."""
    with Context() as context, contextlib.closing(context.open_log()) as log:
        yield log


@app.command()
def ls(as_json: AsJson = False) -> None:
    """List the topics: shards, records, bytes, how they are cleaned up."""
    with the_log() as log:
        rows = summary(log)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("topic", "shards", "records", "bytes", "cleanup", "retention", box=None, pad_edge=False)
    for row in rows:
        size = "-" if row.bytes is None else f"{row.bytes:,}"
        kept = "for ever" if row.retention_ms is None else f"{row.retention_ms / 3_600_000:g} h"
        table.add_row(row.topic, str(row.shards), f"{row.records:,}", size, row.cleanup, kept)
    Console().print(table)


@app.command()
def describe(topic: Topic, as_json: AsJson = False) -> None:
    """Show the shards of a topic: offsets, times, records a second in the last minute of each."""
    with the_log() as log:
        rows = describe_topic(log, topic, topic_info(log, topic).shards)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("shard", "start", "end", "first", "last", "records/s", box=None, pad_edge=False)
    for row in rows:
        times = (time_text(row.first_timestamp), time_text(row.last_timestamp))
        rate = "-" if row.rate is None else f"{row.rate:,.1f}"
        table.add_row(str(row.shard), str(row.start), str(row.end), *times, rate)
    Console().print(table)


@app.command()
def tail(
    topic: Topic,
    shard: Annotated[int | None, typer.Option(help="Only this shard; otherwise all, one after the other.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="OFFSET|beginning|end", help="Where to start in each shard.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("-n", min=0, help="Records of each shard at most. [default: the last 10]")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is appended, until Ctrl-C.")] = False,
    meta: Annotated[bool, typer.Option("--meta", help="Shard, offset, time, key and headers as well.")] = False,
) -> None:
    """Print records as JSON lines: the values, or with --meta all there is to know about each."""
    with the_log() as log, contextlib.suppress(KeyboardInterrupt):
        shards = range(topic_info(log, topic).shards) if shard is None else [shard]
        ends = {number: log.end(topic, number) for number in shards}
        for number, end in ends.items():
            first, stop = _range(start, count, log.start(topic, number), end)
            for record in span(log, topic, number, first, stop):
                typer.echo(as_line(number, record, meta))
        if follow:
            _follow(log, topic, ends, meta)


@app.command()
def copy(
    topics: Annotated[list[str], typer.Argument(help="The topics to copy, with all their shards.")],
    to_kafka: Annotated[str | None, typer.Option(metavar="BOOTSTRAP", help="Copy to this cluster, host:port.")] = None,
    to_sqlite: Annotated[Path | None, typer.Option(metavar="DIR", help="Copy to an embedded log in here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy topics to another log; run it again to go on after an interruption, or with what came since.

    Records keep key, value, timestamp and headers, and get the headers source-offset and source-timestamp.
    """
    if (to_kafka is None) == (to_sqlite is None):
        raise UserError("say where to copy to: either --to-kafka BOOTSTRAP or --to-sqlite DIR")
    rows = []
    with the_log() as log, contextlib.closing(open_log(to_kafka, to_sqlite or Path(), kafka_settings())) as target:
        for topic in topics:
            for row in copy_topic(log, target, topic):
                rows.append(asdict(row))
                if not as_json:
                    typer.echo(f"{topic}, shard {row.shard}: {row.records:,} records from offset {row.first} on")
    if as_json:
        typer.echo(json.dumps(rows, indent=2))


def as_line(shard: int, record: Record, meta: bool) -> str:
    """One record as one line of JSON.

    >>> as_line(0, Record(7, b"BTCUSDT", b'{"price": 1.5}', 1_700_000_000_000_000, ()), meta=False)
    '{"price": 1.5}'
    >>> as_line(0, Record(7, b"BTCUSDT", b"oops", 1_700_000_000_000_000, ()), meta=True)
    '{"shard": 0, "offset": 7, "timestamp": 1700000000000000, "key": "BTCUSDT", "headers": [], "value": "oops"}'
    """
    value = _readable(record.value)
    if not meta:
        return json.dumps(value, ensure_ascii=False)
    headers = [[name, _text(content)] for name, content in record.headers]
    place = {"shard": shard, "offset": record.offset, "timestamp": record.timestamp, "key": _text(record.key)}
    return json.dumps(place | {"headers": headers, "value": value}, ensure_ascii=False)


def _follow(log: Log, topic: str, ends: dict[int, int], meta: bool) -> None:
    with contextlib.ExitStack() as stack:
        readers: dict[int, Reader] = {}
        for shard, end in ends.items():
            readers[shard] = stack.enter_context(contextlib.closing(log.reader(topic, shard, end)))
        while True:
            for shard, reader in readers.items():
                for record in reader.poll(1000):
                    typer.echo(as_line(shard, record, meta))
                reader.wait(PAUSE)


def _range(start: str | None, count: int | None, first: int, end: int) -> tuple[int, int]:
    """The offsets to print: the last ``count`` of a shard, or, with a start given, the first ``count`` from there."""
    if start is None:
        return max(first, end - (10 if count is None else count)), end
    if start not in ("beginning", "end") and not start.isdecimal():
        raise UserError(f"--from {start}: use an offset, beginning or end")
    chosen = {"beginning": first, "end": end}.get(start)
    chosen = int(start) if chosen is None else chosen
    return chosen, end if count is None else min(end, chosen + count)


def _readable(value: bytes | None) -> Any:
    with contextlib.suppress(ValueError, TypeError):
        return json.loads(value or b"")
    return _text(value)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", errors="backslashreplace")


def time_text(timestamp: int | None) -> str:
    """A time in microseconds for people, UTC."""
    if timestamp is None:
        return "-"
    return datetime.fromtimestamp(timestamp / 1_000_000, UTC).isoformat(sep=" ", timespec="milliseconds")[:-6]
