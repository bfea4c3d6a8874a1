"""``lockstep features``: what features cost."""

import json
import platform
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.context import Context, Exit, UserError
from cli.flow import AsJson, shards_of
from cli.recorded import log_of
from cli.registries import registry_of

if TYPE_CHECKING:
    from dataflows.profile import Profile

app = typer.Typer(help="What features cost.", no_args_is_help=True)


@app.callback()
def features() -> None:
    """What features cost."""


@app.command()
def profile(
    source: Annotated[
        str, typer.Option(help="demo, topic (the log in use), archive, or a recorded file or folder.")
    ] = "demo",
    seconds: Annotated[float, typer.Option(min=5, help="Seconds of a demo session.")] = 180,
    version: Annotated[str | None, typer.Option(help="Of the registry; default: that of the settings.")] = None,
    events: Annotated[int, typer.Option(min=1_000, help="The newest events that are measured, at most.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Measurements, of which the median counts.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure what each feature and each source costs, on recorded events in this process."""
    from dataflows.profile import profile as measure

    with Context() as context:
        try:
            registry = registry_of(context, version) if version else context.registry()
        except LookupError as error:
            raise UserError(str(error)) from error
        with closing(log_of(context, source, seconds)) as log:
            shards = shards_of(log, context.settings.shards)
            try:
                found = measure(log, shards, registry, events, rounds)
            except ValueError as error:
                raise UserError(str(error), Exit.DATA) from error
    how = _how(found, source, rounds)
    if as_json:
        derived = {"summed": found.summed, "parts": found.parts, "measured": how}
        typer.echo(json.dumps({**asdict(found), **derived}))
        return
    _print(found, how)


def _how(found: "Profile", source: str, rounds: int) -> str:
    taken = f"{found.clock * 1_000:.0f} ns of the clock taken off each measurement"
    return (
        f"measured on {found.events:,} events of {source} in memory, {found.vectors:,} vectors of registry"
        f" {found.version}, as processor time of one thread: median of {rounds} rounds without the slowest hundredth of"
        f" the calls, the whole in its fastest round; {taken}; {platform.python_implementation()}"
        f" {platform.python_version()}"
    )


def _print(found: "Profile", how: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    total = found.summed or 1.0
    table = Table("feature", "reads", "computed", "µs each", "µs a vector", "share", box=None)
    for one in sorted(found.features, key=lambda one: -one.vector):
        often = "every second" if one.rhythm == "second" else f"{one.calls:,} times"
        figures: list[Any] = [f"{one.each:.2f}", f"{one.vector:.3f}", f"{one.vector / total:.1%}"]
        table.add_row(one.name, ", ".join(one.sources) or "-", often, *figures)
    console.print(table)
    table = Table("source", "events", "µs to decode", "µs to apply", "µs a vector in features", box=None)
    for source in found.sources:
        costs = (f"{cost:.2f}" for cost in (source.decode, source.apply, source.features))
        table.add_row(source.source, f"{source.events:,}", *costs)
    console.print(table)
    parts = ", ".join(f"{name} {cost:.2f}" for name, cost in found.parts.items())
    console.print(
        f"features of a vector: {found.compute:.1f} µs together, {found.summed:.1f} µs one by one\n"
        f"an event: {found.whole:.2f} µs in the whole, {parts} (rest: the clock, vectors and their encoding)\n{how}",
        markup=False,
    )
