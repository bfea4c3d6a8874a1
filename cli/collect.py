"""``lockstep collect``: market data into the log. Each source is imported when it is asked for."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated

import typer

from cli.context import Context, Exit, UserError, amqp_url
from cli.flows import Flow
from cli.settings import read_settings
from cli.topics import create_topics
from connectors.collector import Summary
from connectors.feeds import Feed

Speed = float | None


def collect(
    source: Annotated[str | None, typer.Option(help="demo, bybit, ws-gateway, or a recorded file or folder.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Such as BTCUSDT,ETHUSDT (demo and bybit).")] = None,
    speed: Annotated[str | None, typer.Option(help="1, another number, or max (demo and recordings).")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Seconds of market (demo).")] = None,
    seed: Annotated[int, typer.Option(help="Of the demo exchange: the same seed gives the same frames.")] = 1,
    flow: Annotated[Flow | None, typer.Option(help="For which flow: it decides what is subscribed to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Collect market data into the topic events until the source ends or Ctrl-C."""
    with Context() as context:
        wanted = context.settings
        names = symbols.upper().split(",") if symbols else list(wanted.symbols)
        pace = parse_speed(speed if speed is not None else str(wanted.speed))
        feed = feed_of(source or wanted.source, names, pace, seconds, seed)
        summary = asyncio.run(_until_told(feed, context, flow or Flow(wanted.flow)))
    typer.echo(json.dumps(vars(summary)) if as_json else said(summary))


async def _until_told(feed: Feed, context: Context, flow: Flow) -> Summary:
    from dataflows.collect import collect as run_collect
    from dataflows.subscriptions import TRADING, Subscriptions
    from operators.features.featureset import FeatureSet
    from operators.keyframe import Keyframes

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log = context.open_log()
    create_topics(log, context.settings)
    first = FeatureSet.compile(context.registry())
    wanted = Subscriptions(log, first, TRADING if flow is Flow.trading else frozenset())
    try:
        return await run_collect(
            feed, log, context.settings.shards, enrich=Keyframes().feed, stop=stop, subscriptions=wanted
        )
    finally:
        log.close()


def feed_of(source: str, symbols: list[str], speed: Speed, seconds: float | None = None, seed: int = 1) -> Feed:
    """The feed that ``source`` names.

    Raises:
        UserError: when there is no such source.
    """
    if source == "demo":
        from connectors.demo.feed import DemoFeed

        return DemoFeed(symbols, seed, speed=speed, seconds=seconds)
    if source == "bybit":
        return bybit_feed(symbols)
    if source == "ws-gateway":
        return gateway_feed(symbols)
    from connectors.recorded import RecordingError
    from connectors.replay import RecordedFeed

    paths = [Path(part) for part in source.split(",")]
    if missing := [str(path) for path in paths if not path.exists()]:
        raise UserError(
            f"SOURCE={source}: {missing[0]} is no file or folder; say demo, bybit, ws-gateway, or a recorded file or"
            " folder"
        )
    try:
        return RecordedFeed(paths if len(paths) > 1 else paths[0], speed)
    except RecordingError as error:
        raise UserError(str(error), Exit.DATA) from error


def bybit_feed(symbols: list[str]) -> Feed:
    """The feed of Bybit, of the environment that the settings name."""
    from connectors.bybit.live import BybitFeed
    from connectors.bybit.place import PLACES

    settings = read_settings()
    place = PLACES[settings.bybit_environment]
    return BybitFeed(symbols, url=place.websocket, rest_url=settings.bybit_rest_url or place.rest)


def gateway_feed(symbols: list[str]) -> Feed:
    """The feed of ws-gateway's queues.

    Raises:
        UserError: when the settings do not say where RabbitMQ is.
    """
    from cli.bridge import gateway
    from connectors.rabbitmq.gateway_feed import GatewayFeed

    settings = read_settings()
    return GatewayFeed(symbols, amqp_url(settings), gateway(settings))


def parse_speed(text: str) -> Speed:
    """Market seconds per second; None for ``max``.

    >>> parse_speed("max"), parse_speed("10")
    (None, 10.0)

    Raises:
        UserError: for anything else.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise UserError(f"SPEED={text}: say a number above 0 (1 is as it happened), or max")
    return speed


def said(summary: Summary) -> str:
    """The summary for a person."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(summary.events.items()))
    return (
        f"{summary.frames} frames in {summary.seconds:.1f} s: {kinds}; {summary.appended} records written,"
        f" {sum(summary.bad.values())} refused, {summary.dropped} dropped, {summary.resyncs} resyncs"
    )
