"""``lockstep models at``: what the models of a strategy said, or would have said, at a time, from the log alone."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.context import Context, Exit, UserError
from cli.flow import AsJson, shards_of
from dataflows.models_at import Moment, NothingThen, Spoken, models_at
from learning.files import ModelFiles
from operators.features.featureset import FeatureSet
from reports.chart import at as shown

SHOWN = 12
"""Features of a model that are printed; ``--json`` has all of them."""


def at(
    strategy: Annotated[str, typer.Option(help="The strategy's id.")],
    symbol: Annotated[str, typer.Option(help="Such as BTCUSDT.")],
    time: Annotated[str, typer.Option(help="Such as 2026-08-09T21:27:00Z; UTC unless it says otherwise.")],
    as_json: AsJson = False,
) -> None:
    """Rebuild the models of a strategy as they were at a time, from the nearest checkpoint on, and say what each says.

    Exit 1 if that is not what the log recorded.
    """
    with Context() as context, closing(context.open_log()) as log:
        features = FeatureSet.compile(context.registry())
        shards = shards_of(log, context.settings.shards)
        try:
            found = models_at(log, shards, features, strategy, symbol, moment(time), ModelFiles(context.models))
        except NothingThen as error:
            raise UserError(str(error)) from None
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        _print(found, Console(highlight=False))
    if not found.identical:
        raise typer.Exit(Exit.FAILED)


def moment(text: str) -> int:
    """Microseconds UTC of an ISO 8601 time.

    Raises:
        UserError: when it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--time: {text!r} is no time such as 2026-08-09T21:27:00Z") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1_000_000)


def _print(found: Moment, console: Console) -> None:
    vector = found.vector
    state = "the first event" if found.checkpoint is None else f"the checkpoint at offset {found.checkpoint}"
    console.print(f"[bold]strategy {escape(found.strategy)}, {vector.symbol}, {shown(vector.ts)} UTC[/]")
    console.print(f"  rebuilt from {state}; the online model had learned from {found.learned:,} outcomes")
    if vector.tainted:
        console.print(f"  the vector is tainted ({', '.join(vector.taint)}): no model is asked")
    if not found.models:
        console.print("  no model was in force: neither an online one, nor a champion, nor a candidate")
        return
    table = Table("model", "role", "down", "flat", "up", "on the log", box=None)
    for spoken in found.models:
        table.add_row(spoken.version, spoken.role, *_said(spoken), _compared(spoken))
    console.print(table)
    for spoken in found.models:
        if spoken.features:
            _features(spoken, console)


def _said(spoken: Spoken) -> list[str]:
    if not spoken.probabilities:
        return ["nothing", "", ""]
    return [f"{probability:.4f}" for probability in spoken.probabilities.values()]


def _compared(spoken: Spoken) -> str:
    if spoken.problem:
        return f"[red]cannot be used: {escape(spoken.problem)}[/]"
    if spoken.same is None:
        return "no record of this second"
    return "[green]identical[/]" if spoken.same else "[bold red]NOT the same[/]"


def _features(spoken: Spoken, console: Console) -> None:
    known = {name: value for name, value in spoken.features.items() if value is not None}
    shown_ones = ", ".join(f"{name} {value:.6g}" for name, value in list(known.items())[:SHOWN])
    more = f", and {len(known) - SHOWN} more (--json has them)" if len(known) > SHOWN else ""
    console.print(f"{spoken.version} ({spoken.role}) looked at {shown_ones}{more}", soft_wrap=True)
    if missing := [name for name, value in spoken.features.items() if value is None]:
        console.print(f"  not known then: {', '.join(missing)}", soft_wrap=True)
