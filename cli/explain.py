"""``lockstep explain``: why a signal was made, from the log alone."""

from contextlib import closing
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.context import Context, Exit, UserError
from cli.flow import AsJson, shards_of
from cli.recorded import log_of
from cli.runs import Asked, folder_of
from connectors.log.sqlite import SqliteLog
from dataflows.explain import Explanation, UnknownSignal, live, of_backtest
from dataflows.explain import explain as rebuild
from learning.files import ModelFiles
from operators.features.featureset import FeatureSet
from reports.chart import at

Run = Annotated[str | None, typer.Option("--run", help="The id of the backtest whose signal it is.")]


def explain(
    signal_id: Annotated[str, typer.Argument(help="As it stands on the topic signals.")],
    run: Run = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild the moment of a signal from the log and say why it was made. Exit 1 if the outcome is not the same."""
    with Context() as context:
        try:
            found = _explain(context, signal_id, run)
        except UnknownSignal as error:
            raise UserError(str(error)) from None
    if as_json:
        typer.echo(msgspec.json.encode(_plain(found)))
    else:
        _print(found, Console(highlight=False))
    if not found.identical:
        raise typer.Exit(Exit.FAILED)


def _explain(context: Context, signal_id: str, run: str | None) -> Explanation:
    features, models = FeatureSet.compile(context.registry()), ModelFiles(context.models)
    if run is None:
        with closing(log_of(context)) as log:
            place = live(log, shards_of(log, context.settings.shards), features)
            return rebuild(place, features, signal_id, models)
    folder = folder_of(context, run)
    asked = Asked.read(folder)
    log = log_of(context, asked.source, asked.seconds, asked.seed)
    with closing(log), closing(SqliteLog(folder / "log")) as own:
        return rebuild(of_backtest(log, own, asked.request), features, signal_id, models)


def _plain(found: Explanation) -> dict[str, Any]:
    parts = {name: value for name, value in vars(found).items() if name != "same"}
    return {**msgspec.to_builtins(parts), "identical": found.same}


def _print(found: Explanation, console: Console) -> None:
    signal, decision = found.signal, found.decision
    console.print(f"[bold]signal {signal.signal_id}[/]")
    kind = "warm-up" if signal.is_warmup else f"model {signal.model_version}"
    rows = [
        ("what", f"{signal.kind}: {signal.side} {signal.symbol} for {signal.amount:,.2f}"),
        ("confidence", f"{signal.confidence:.3f}"),
        ("who", f"strategy {signal.strategy}, {kind}, feature registry {signal.feature_registry_version}"),
        ("when", f"{at(signal.ts)} UTC, shard {signal.origin.shard}, offset {signal.origin.offset}"),
        ("caused by", _said(found.event)),
        ("why", signal.reason),
        ("rebuilt", _rebuilt(found)),
    ]
    if signal.rule:
        rows.insert(6, ("exit rule", signal.rule))
    for name, text in rows:
        console.print(f"  [cyan]{name:10}[/] {escape(text)}", soft_wrap=True)
    console.print(_book(found))
    console.print(_numbers("Features used", signal.snapshot.indicators))
    snapshot = msgspec.structs.asdict(signal.snapshot)
    del snapshot["indicators"]
    console.print(_numbers("Market at that moment", snapshot))
    console.print(_numbers("Model" if signal.model_version else "Heuristics", signal.details))
    if decision is not None:
        console.print(_gates(decision.gates))
        console.print(_numbers(f"Result: {decision.step}", decision.numbers))
    for name, same in found.same.items():
        text = "[green]identical to what was recorded[/]" if same else "[bold red]NOT what was recorded[/]"
        console.print(f"{name}: {text}")


def _rebuilt(found: Explanation) -> str:
    fed = found.signal.origin.offset - found.start + 1
    state = "from the first event" if found.checkpoint is None else f"from the checkpoint at offset {found.checkpoint}"
    return f"{fed:,} events from offset {found.start} on, {state}"


def _said(event: Any) -> str:
    return f"{event.__struct_config__.tag} at {at(event.recv)} UTC"


def _book(found: Explanation) -> Table:
    table = Table("bid size", "bid", "ask", "ask size", title="Book", title_justify="left", box=None)
    for bid, ask in zip(found.bids, found.asks, strict=False):
        table.add_row(f"{bid[1]:g}", f"[green]{bid[0]:g}[/]", f"[red]{ask[0]:g}[/]", f"{ask[1]:g}")
    if not found.bids:
        table.add_row("no synchronised book", "", "", "")
    return table


def _numbers(title: str, numbers: Any) -> Table:
    table = Table("name", "value", title=title, title_justify="left", box=None, show_header=False)
    for name, value in _flat(numbers):
        table.add_row(escape(name), escape(_text(value)))
    return table


def _gates(gates: list[dict[str, Any]]) -> Table:
    table = Table(
        "gate", "passed with", title="Gates, in their order", title_justify="left", box=None, show_header=False
    )
    for gate in gates:
        numbers = ", ".join(f"{name} {_text(value)}" for name, value in gate.items() if name != "gate")
        table.add_row(escape(str(gate.get("gate", "?"))), escape(numbers))
    return table


def _flat(numbers: Any, above: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in numbers.items():
        rows += _flat(value, f"{above}{name}.") if isinstance(value, dict) else [(f"{above}{name}", value)]
    return rows


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:.8g}" if isinstance(value, float) else str(value)
