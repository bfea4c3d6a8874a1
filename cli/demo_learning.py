"""``lockstep demo-learning``: the whole learning loop on a demo market, told as it happens, with a page to look at."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from cli.alone import alone
from cli.context import REGISTRIES, Context, UserError
from dataflows.demo_plan import Plan
from reports.loop.material import Note

REGISTRY = "1.1.0"
"""The features of the demo, whatever this installation computes otherwise: the same seed gives the same run."""
BUSY = "process {pid} already runs a demo here: wait for it"
COLOURS = {
    "promoted": "bold green",
    "fallback": "bold yellow",
    "market": "bold red",
    "drift": "yellow",
    "failed": "red",
}
RESULT, PAGE = "result.json", "learning.html"


def demo_learning(
    seed: Annotated[int, typer.Option(help="The same seed gives the same run, to the byte.")] = Plan.seed,
    minutes: Annotated[float, typer.Option(min=10, help="Of market.")] = Plan.minutes,
    out: Annotated[Path | None, typer.Option(help="Folder for result.json and learning.html.")] = None,
) -> None:
    """Learn a demo market from an empty log: warm-up, training, shadow, promotion, drift, fallback, and again.

    The log, the models and the page are written below LOCKSTEP_HOME/demo-learning; what an earlier demo left there is
    replaced, and no other session is touched.
    """
    with Context() as program:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        folder = program.path("demo-learning")
        folder.mkdir(exist_ok=True)
        with alone(folder / "running", BUSY):
            _run(_plan(minutes, seed), folder, out or folder)


def _plan(minutes: float, seed: int) -> Plan:
    try:
        return Plan(minutes=minutes, seed=seed)
    except ValueError as error:
        raise UserError(str(error)) from None


def _run(plan: Plan, folder: Path, out: Path) -> None:
    """Play, replay, write."""
    from dataflows.demo_learning import Demo
    from dataflows.demo_report import material
    from operators.registry import parse_registry
    from reports.loop.page import page
    from reports.loop.result import encoded, result

    begin = time.perf_counter()
    file = REGISTRIES / f"{REGISTRY}.yaml"
    demo = Demo(plan, parse_registry(file.read_text(encoding="utf-8"), where=str(file)), folder)
    try:
        with shown(plan) as (told, reached):
            for share in demo.play(told):
                reached(share)
        played = time.perf_counter() - begin
        typer.echo("replaying the log through the trading flow ...")
        found = encoded(result(material(demo.log, demo.models, plan, demo.replay())))
    finally:
        demo.close()
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULT).write_bytes(found)
    plain = msgspec.json.decode(found)
    (out / PAGE).write_text(page(plain), encoding="utf-8")
    for name, value in plain["facts"]["figures"].items():
        typer.echo(f"{name:28} {value}")
    for topic, digest in plain["facts"]["digests"].items():
        typer.echo(f"{'digest of ' + topic:28} {digest}")
    typer.echo(f"{plain['facts']['run']['Replayed from the log']}")
    market = (plan.end - plan.start) / 1e6
    typer.echo(f"{market:,.0f} s of market in {played:.0f} s, everything in {time.perf_counter() - begin:.0f} s")
    typer.echo(f"figures: {out / RESULT}\npage:    {out / PAGE}")


@contextmanager
def shown(plan: Plan) -> Iterator[tuple[Callable[[Note], None], Callable[[float], None]]]:
    """Tells notes as lines, and shows how far the run is where there is a terminal."""
    console = Console(highlight=False, soft_wrap=True)
    bar = Progress(BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), console=console, transient=True)
    task = bar.add_task("of the market", total=1.0)

    def told(note: Note) -> None:
        seconds = (note.ts - plan.start) // 1_000_000
        console.print(f"{seconds // 60:3d}:{seconds % 60:02d}  {note.text}", style=COLOURS.get(note.kind), markup=False)

    def reached(share: float) -> None:
        bar.update(task, completed=share)

    if console.is_terminal:
        bar.start()
    try:
        yield told, reached
    finally:
        if console.is_terminal:
            bar.stop()
