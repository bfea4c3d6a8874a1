"""``lockstep up`` and ``lockstep down``: the embedded servers in the background, for work with several verbs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.alone import alone
from cli.context import Context, Exit, UserError
from cli.processes import end, find, identity
from connectors.kafka_server import KAFKA_VERSION, KafkaServer, KafkaServerError, fetch_jars
from connectors.postgres.migrate import Migrator

START = 120.0
"""Seconds: the first start of Apache Kafka fetches it."""
STOP = 60.0
"""Seconds for the servers to end."""


class Broker(StrEnum):
    """Where the log is."""

    sqlite = "sqlite"
    kafka = "kafka"


def up(
    broker: Annotated[Broker, typer.Option(help="kafka: also start Apache Kafka on this machine.")] = Broker.sqlite,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
    hold: Annotated[bool, typer.Option("--hold", hidden=True, help="Be the process that keeps them.")] = False,
) -> None:
    """Start PostgreSQL (and Apache Kafka) in the background; `lockstep down` ends them."""
    with Context() as context:
        state = context.path("up.json")
        if hold:
            with alone(context.path("up.lock"), "process {pid} keeps the servers already"):
                _hold(context, broker, state)
            return
        if (running := _running(state)) is None:
            running = _start(context.path("logs", "up.log"), broker, state)
        elif broker is Broker.kafka and "KAFKA_BOOTSTRAP_SERVERS" not in running:
            raise UserError("the servers are up without Apache Kafka: run `lockstep down` first")
    addresses = {name: value for name, value in running.items() if name.isupper()}
    typer.echo(json.dumps(addresses) if as_json else "\n".join(f"export {n}='{v}'" for n, v in addresses.items()))


def down() -> None:
    """End what `lockstep up` started; data stay."""
    with Context() as context:
        state = context.path("up.json")
        running = _running(state)
        if running is not None:
            end([running], STOP)
        KafkaServer(context.path("kafka-data"), Path()).stop()
        state.unlink(missing_ok=True)
    typer.echo("down" if running else "nothing was up")


def _start(log: Path, broker: Broker, state: Path) -> dict[str, Any]:
    """Start the keeper process and wait until it has everything running."""
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--hold", "--broker", broker.value],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + START
    while (running := _running(state)) is None:
        ended = keeper.poll() not in (None, Exit.HELD)  # held: somebody else is starting them right now
        if ended or time.monotonic() > until:
            keeper.terminate()
            raise UserError(f"the servers did not start:\n{log.read_text(errors='replace')[-2000:]}", Exit.UNAVAILABLE)
        time.sleep(0.05)
    return running


def _hold(context: Context, broker: Broker, state: Path) -> None:
    """Keep the servers until SIGTERM."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with ExitStack() as servers:
        url = context.database_url()
        Migrator(url).up()
        running: dict[str, Any] = {**identity(os.getpid()), "DATABASE_URL": url}
        if broker is Broker.kafka:
            running["KAFKA_BOOTSTRAP_SERVERS"] = _kafka(context, servers)
        fresh = state.with_suffix(".new")
        fresh.write_text(json.dumps(running))
        fresh.rename(state)
        told.wait()
    state.unlink(missing_ok=True)


def _kafka(context: Context, servers: ExitStack) -> str:
    """Start Apache Kafka, to be stopped with ``servers``; returns its address."""
    try:
        kafka = KafkaServer(context.path("kafka-data"), fetch_jars(context.path("kafka", KAFKA_VERSION)))
        servers.callback(kafka.stop)
        return kafka.start()
    except KafkaServerError as error:
        raise UserError(str(error), Exit.UNAVAILABLE) from error


def _running(state: Path) -> dict[str, Any] | None:
    """What `up` wrote, if its process still lives."""
    try:
        running: dict[str, Any] = json.loads(state.read_text())
        return running if find(running) else None
    except (OSError, ValueError, KeyError):
        return None
