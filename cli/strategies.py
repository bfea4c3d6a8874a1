"""``lockstep strategies``: what the strategies may do, checked, and put in force."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import yaml
from rich.console import Console
from rich.table import Table

from cli.context import CONFIG, Context, UserError
from cli.learning_settings import learning_defaults
from cli.topics import create_topics
from connectors.control import broadcast
from connectors.strategies import StrategiesError, load
from schemas.account import AccountConfigured
from schemas.events import Control
from schemas.strategy import Strategy, StrategyConfigured

app = typer.Typer(help="Look at strategies, and put them in force.", no_args_is_help=True)
Folder = Annotated[
    Path | None, typer.Argument(help="Folder with one YAML file a strategy; default: LOCKSTEP_STRATEGIES.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON array.")]


@app.command()
def check(folder: Folder = None, as_json: AsJson = False) -> None:
    """Read the strategies and say everything that is wrong with them; exit 2 if anything is."""
    with Context() as context:
        found = strategies_of(context, folder)
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(settings) for settings in found]))
        return
    table = Table("strategy", "mode", "symbols", "decisions/min", "amount", "exits", "about", box=None)
    for settings in found:
        amounts = f"{settings.warmup.min_amount:g} to {settings.warmup.max_amount:g}"
        mode = settings.mode if settings.enabled else "off"
        rate = f"{settings.warmup.frequency:g}"
        exits = "on" if settings.exits.enabled else "off"
        table.add_row(settings.strategy, mode, ", ".join(settings.symbols), rate, amounts, exits, settings.about)
    Console(highlight=False).print(table)


@app.command()
def apply(
    folder: Folder = None,
    by: Annotated[str, typer.Option(help="Who puts them in force, for the record.")] = "",
) -> None:
    """Put strategies and account in force: an event in every shard, from which live and replay know them alike."""
    with Context() as context, closing(context.open_log()) as log:
        events = in_force(context, strategies_of(context, folder), by)
        create_topics(log, context.settings)
        broadcast(log, context.settings.shards, events)
    names = ", ".join(event.settings.strategy for event in events if isinstance(event, StrategyConfigured))
    typer.echo(f"in force: {names}; account: {account_of(context).kind}")


def strategies_of(context: Context, folder: Path | None = None) -> list[Strategy]:
    """The strategies of the folder, or of the one that the settings name.

    Raises:
        UserError: with everything that is wrong, by file and field.
    """
    folder = folder or context.settings.strategies or CONFIG / "strategies"
    try:
        found = load(folder, learning_defaults(context.settings))
    except StrategiesError as error:
        raise UserError(str(error)) from None
    if wrong := [f"{one.strategy}: learning.training.schedule: {text}" for one in found if (text := _schedule(one))]:
        raise UserError("\n".join([f"strategies in {folder}, or MODEL_RETRAINING_SCHEDULE:", *wrong]))
    return found


def _schedule(strategy: Strategy) -> str:
    """What is wrong with a strategy's schedule; empty: nothing."""
    schedule = strategy.learning.training.schedule
    if not schedule:
        return ""
    from learning.governor.schedule import problem  # only where somebody wants to know

    return problem(schedule)


def account_of(context: Context) -> AccountConfigured:
    """The account that the settings name: ``paper``, ``live``, or a YAML file.

    Raises:
        UserError: naming the file and the field that is wrong.
    """
    wanted = context.settings.account
    file = CONFIG / "account.yaml" if wanted in ("paper", "live") else Path(wanted)
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        kind = {"kind": wanted} if wanted in ("paper", "live") else {}
        return msgspec.convert({"type": "account.configured", "recv": 1, **data, **kind}, AccountConfigured)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, msgspec.ValidationError) as error:
        raise UserError(f"LOCKSTEP_ACCOUNT={wanted}: {file} describes no account: {error}") from None


def in_force(context: Context, strategies: Sequence[Strategy], by: str = "") -> list[Control]:
    """The events that put the account and the strategies in force."""
    return [account_of(context), *(StrategyConfigured(recv=1, settings=settings, by=by) for settings in strategies)]
