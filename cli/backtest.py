"""``lockstep backtest``: what strategies would have done, from the log, with a page to look at."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.alone import alone
from cli.context import Context, UserError
from cli.flow import AsJson, From, To, place_of, shards_of
from cli.pace import shown
from cli.recorded import TOPIC, absolute, log_of, said_of
from cli.results import read_result, say, write
from cli.runs import Asked, runs_of
from cli.strategies import account_of, strategies_of
from connectors.log import Log
from connectors.strategies import read
from dataflows.asking import NothingToTest, Question, ask
from dataflows.backtest import Progress, Request, backtest
from dataflows.findings import findings
from learning.files import ModelFiles
from operators.features.featureset import FeatureSet
from operators.online.models import Models
from reports.page import comparison
from schemas.strategy import Strategy

BUSY = "process {pid} already runs this backtest: wait for it"
INTERRUPTED = 128
"""Plus the number of the signal: what a shell says of a program that one ended."""

app = typer.Typer(help="Replay the log through the trading engine on paper.", invoke_without_command=True)


@app.callback()
def run(
    context: typer.Context,
    first: From = "beginning",
    last: To = "end",
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="A strategy's YAML file or a folder of them, instead of the log's; or the id of one of those."
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="topic (of the session in use), archive or history of it, a recorded file or folder, or demo."
        ),
    ] = TOPIC,
    seconds: Annotated[float, typer.Option(min=1, help="Of market, for the source demo.")] = 1800,
    seed: Annotated[int, typer.Option(help="Of the demo exchange.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for result.json and tearsheet.html.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a range of the log through the trading engine on paper; write the figures and a page.

    Interrupted, the same command goes on where it was, with the same outcome to the byte.
    """
    if context.invoked_subcommand is not None:
        return
    with Context() as program:
        log = log_of(program, source, seconds, seed)
        shards = shards_of(log, program.settings.shards)
        files, only = _named(program, strategy or [])
        question = Question(
            place_of(first),
            place_of(last),
            files,
            only,
            lambda: strategies_of(program),
            account_of(program),
            said_of(source, seconds, seed),
        )
        features = FeatureSet.compile(program.registry())
        registry = blake2b(program.registry_file().read_bytes(), digest_size=8).hexdigest()
        try:
            request = ask(log, shards, features, registry, question)
        except NothingToTest as error:
            raise UserError(str(error)) from None
        folder = runs_of(program) / request.id
        folder.mkdir(exist_ok=True)
        Asked(request, absolute(source), seconds, seed).write(folder)
        with alone(folder / "running", BUSY):
            result = _run(log, request, features, folder, ModelFiles(program.models))
            written = write(result, out or folder)
    say(result, *written, as_json)


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="Result files, folders of runs, or their ids.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("comparison.html"),
) -> None:
    """Put several backtests on one page: their figures, curves, and in what they differ."""
    if len(runs) < 2:
        raise UserError("say at least two runs to compare")
    with Context() as program:
        results = [read_result(program, name) for name in runs]
    names = [str(found["facts"]["run"]) for found in results]
    names = [f"{name} ({at})" if names.count(name) > 1 else name for at, name in enumerate(names, start=1)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(comparison(results, names), encoding="utf-8")
    typer.echo(f"compared {len(results)} runs: {out}")


def _run(log: Log, request: Request, features: FeatureSet, folder: Path, models: Models) -> dict[str, Any]:
    console = Console(stderr=True, highlight=False)
    progress = Progress(dict(enumerate(request.ranges)))
    begin = time.perf_counter()
    with shown(progress, console) as hide, interruptible(hide):
        own = backtest(log, request, features, folder, progress, models=models)
    spent = time.perf_counter() - begin
    result = findings(own, request)
    own.close()
    events = sum(found.stop - found.warm for found in request.ranges)
    market = (result["facts"]["ends"] - result["facts"]["begins"]) / 1_000_000
    typer.echo(f"{events:,} events, {market:,.0f} s of market, in {spent:.1f} s", err=True)
    return result


@contextmanager
def interruptible(hide: Callable[[], None]) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, end at once.

    Being killed costs nothing but a second of work; a farewell would be a second way to end that nobody tests.
    """

    def leave(number: int, frame: object) -> None:
        hide()
        typer.echo("interrupted; the same command goes on where this one was", err=True)
        os._exit(INTERRUPTED + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _named(program: Context, named: Sequence[str]) -> tuple[list[Strategy], frozenset[str]]:
    """Files and folders become strategies; anything else is an id.

    Raises:
        UserError: naming the file and the field that is wrong.
    """
    files = [Path(name) for name in named if Path(name).exists() or name.endswith((".yaml", ".yml"))]
    if files and len(files) < len(named):
        raise UserError("--strategy: say either files or ids, not both")
    found = [settings for file in files for settings in _described(program, file)]
    ids = [settings.strategy for settings in found]
    if twice := [name for name in ids if ids.count(name) > 1]:
        raise UserError(f"--strategy: {twice[0]} is described twice")
    return found, frozenset() if files else frozenset(named)


def _described(program: Context, file: Path) -> list[Strategy]:
    """The strategy of a file, or those of a folder."""
    if file.is_dir():
        return strategies_of(program, file)
    strategy, wrong = read(file)
    if strategy is None:
        raise UserError(f"--strategy {file}: correct the file and try again:\n  " + "\n  ".join(wrong))
    return [strategy]
