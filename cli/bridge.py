"""``lockstep bridge``: signals out to RabbitMQ, account events in."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from cli.context import Context, UserError, amqp_url
from cli.flow import WAIT_FOR_LEASE, log_name
from cli.settings import Settings
from cli.strategies import account_of
from cli.topics import create_topics
from connectors.measures import Measures
from connectors.peers.peer import Peer
from connectors.postgres.lease import Lease
from connectors.postgres.migrate import Migrator
from dataflows.bridge import Bridge, Parts, Status, fill_measures
from dataflows.positions import parse_place

PATIENCE = 600.0
"""Seconds for which the bridge waits for a database that is away before it ends."""

PAPER = (
    "LOCKSTEP_ACCOUNT=paper: the flow executes its signals itself, and an order-manager would execute them as well."
    " Set LOCKSTEP_ACCOUNT=live, or bridge with --no-signals"
)


class Source(StrEnum):
    """Where something comes from."""

    table = "table"
    queue = "queue"
    off = "off"


def bridge(
    signals: Annotated[bool, typer.Option(help="Publish signals to model-service.trading_signals.")] = True,
    features: Annotated[bool, typer.Option(help="Publish feature vectors to features.live.")] = False,
    expiration: Annotated[float, typer.Option(min=1, help="Seconds after which a vector leaves its queue.")] = 60.0,
    positions: Annotated[bool, typer.Option(help="Take positions from position-manager.")] = True,
    balances: Annotated[
        Source, typer.Option(help="From table account_balances or queue ws-gateway.balance.")
    ] = Source.table,
    fills: Annotated[
        Source, typer.Option(help="From table orders, or queue order-manager.order_events if nobody else reads it.")
    ] = Source.table,
    start: Annotated[
        str, typer.Option("--from", help="Where a first start begins: end, beginning, an offset or a time.")
    ] = "end",
    age_limit: Annotated[float, typer.Option(min=0.1, help="Seconds after which a signal is too old to send.")] = 300.0,
    every: Annotated[float, typer.Option(min=0, help="Seconds between two status lines; 0: none.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Status lines as JSON.")] = False,
) -> None:
    """Carry signals to RabbitMQ, and positions, balances and fills to the log, until Ctrl-C."""
    with Context() as context:
        place = _place(start)
        wanted = Parts(
            place,
            signals,
            expiration if features else None,
            positions,
            balances.value,  # type: ignore[arg-type]
            fills.value,  # type: ignore[arg-type]
            age_limit,
            context.settings.symbols,
            position_manager(context.settings),
            gateway(context.settings),
        )
        status = asyncio.run(_carry(context, wanted, _teller(every, as_json)))
    typer.echo(line(status, as_json))


async def _carry(context: Context, parts: Parts, told: Callable[[Status], None] | None) -> Status:
    settings = context.settings
    amqp = amqp_url(settings)
    if parts.signals and account_of(context).kind == "paper":
        raise UserError(PAPER)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    url, name = context.database_url(), log_name(context)
    Migrator(url).up()
    log = context.open_log()
    create_topics(log, settings)
    lease = Lease(url, "bridge", PATIENCE)
    try:
        await asyncio.to_thread(lease.take, f"bridge {name}", 0, WAIT_FOR_LEASE)
        running = Bridge(parts, log, settings.shards, amqp, url, name, lease.check)
        fill = partial(fill_measures, running)
        with Measures(context.home / "metrics", "bridge", fill=fill) as running.measures:
            return await running.run(stop, told)
    finally:
        lease.release()
        log.close()


def position_manager(settings: Settings) -> Callable[[], Peer] | None:
    """Makes a client of position-manager, where the settings name one."""
    if not settings.position_manager_host:
        return None
    url = f"http://{settings.position_manager_host}:{settings.position_manager_port}"
    key = settings.position_manager_api_key
    return lambda: Peer("position-manager", url, key.get_secret_value() if key else None)


def gateway(settings: Settings) -> Callable[[], Peer] | None:
    """Makes a client of ws-gateway, where the settings name one."""
    if not settings.ws_gateway_host:
        return None
    url = f"http://{settings.ws_gateway_host}:{settings.ws_gateway_port}"
    key = settings.ws_gateway_api_key
    return lambda: Peer("ws-gateway", url, key.get_secret_value() if key else None)


def line(status: Status, as_json: bool) -> str:
    """The status for a machine, or for a person."""
    if as_json:
        return json.dumps(vars(status))
    queues = []
    for queue, done in status.queues.items():
        up = "" if done["up"] else " (away)"
        if "published" in done:
            odd = [f"{done[name]} {name}" for name in ("repeats", "passed_over", "refused") if done[name]]
            queues.append(f"{queue}{up} {', '.join([str(done['published']) + ' published', *odd])}")
        else:
            queues.append(f"{queue}{up} {done['consumed']} consumed")
    events = ", ".join(f"{count} {kind}" for kind, count in sorted(status.events.items())) or "none"
    return f"{status.seconds:.0f} s: {'; '.join(queues)}; events written: {events}; {status.refused} refused"


def _place(text: str) -> Callable[..., int]:
    try:
        return parse_place(text)
    except ValueError as error:
        raise UserError(f"--from: {error}") from None


def _teller(every: float, as_json: bool) -> Callable[[Status], None] | None:
    """Prints a status line now and then."""
    if not every:
        return None
    due = time.monotonic() + every

    def told(status: Status) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + every
            typer.echo(line(status, as_json))
            sys.stdout.flush()

    return told
