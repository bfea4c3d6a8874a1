"""``lockstep models list``, ``show`` and ``history``: from the files and from the events, without a database."""

import json
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from cli.context import Context, UserError
from cli.flow import AsJson, shards_of
from cli.models_at import moment
from cli.train import known
from reports.chart import at as shown

if TYPE_CHECKING:
    from learning.governor.force import Force
    from schemas.model import ModelRecord

FIGURES = ("accuracy", "f1_score", "roc_auc", "log_loss", "win_rate", "total_pnl")
Strategy = Annotated[str | None, typer.Option(help="Only of this strategy.")]


def models(strategy: Strategy = None, as_json: AsJson = False) -> None:
    """Every version: what it is for, how good it was on its test split, and what it does now."""
    from learning.files import ModelFiles
    from operators.online.models import Unusable

    rows: list[dict[str, Any]] = []
    with Context() as context, closing(context.open_log()) as log:
        force = known(log, shards_of(log, context.settings.shards)).force
        files = ModelFiles(context.models)
        for version in files.versions():
            try:
                record = files.record(version)
            except Unusable as error:
                rows.append({"version": version, "problem": str(error)})
                continue
            if strategy in (None, record.strategy):
                rows.append(_row(record, force))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("version", "strategy", "family", "trained until", "rows", "accuracy", "trigger", "now", box=None)
    for row in rows:
        if "problem" in row:
            table.add_row(row["version"], row["problem"])
            continue
        accuracy = row["test"].get("accuracy")
        figure = "-" if accuracy is None else f"{accuracy:.1%}"
        until, total = shown(row["trained_at"]), f"{row['rows']:,}"
        table.add_row(
            row["version"], row["strategy"], row["family"], until, total, figure, row["trigger"], row["now"] or ""
        )
    Console(highlight=False).print(table if rows else "there is no model yet: lockstep train makes one")


def show(version: Annotated[str, typer.Argument(help="Such as v1741079704.")], as_json: AsJson = False) -> None:
    """Everything that is known of a version; its file is checked against its hash."""
    from learning.files import ModelFiles
    from operators.online.models import Unusable

    with Context() as context:
        files = ModelFiles(context.models)
        try:
            record = files.record(version)
            files.load(version)
        except Unusable as error:
            raise UserError(str(error)) from None
    told = msgspec.to_builtins(record)
    if as_json:
        typer.echo(json.dumps(told))
        return
    console = Console(highlight=False, soft_wrap=True)
    for name, value in told.items():
        if name in ("metrics", "importance", "splits"):
            continue
        console.print(f"{name:26} {value if not isinstance(value, list) else ', '.join(map(str, value))}", markup=False)
    for name, period in record.splits.items():
        console.print(f"{name:26} {shown(period.start)} to {shown(period.end)}, {period.rows:,} rows", markup=False)
    for split, metrics in record.metrics.items():
        told_of = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, float | int))
        console.print(f"{'on ' + split:26} {told_of}", markup=False)
    best = sorted(record.importance.items(), key=lambda one: -one[1])[:10]
    console.print(f"{'most important':26} {', '.join(f'{name} {share:.1%}' for name, share in best)}", markup=False)


def history(
    time: Annotated[str | None, typer.Option(help="What was in force then, such as 2026-08-09T21:27:00Z.")] = None,
    strategy: Strategy = None,
    as_json: AsJson = False,
) -> None:
    """What was in force when, and why it changed; with --time only what was in force at that moment."""
    with Context() as context, closing(context.open_log()) as log:
        force = known(log, shards_of(log, context.settings.shards)).force
    if time is not None:
        _print_at(force, moment(time), strategy, as_json)
        return
    turns = [turn for turn in force.turns if strategy in (None, turn.key[0])]
    if as_json:
        names = ("ts", "strategy", "symbol", "role", "before", "after", "reason", "by")
        rows = [(turn.ts, turn.key[0], turn.key[1] or None, *turn[2:]) for turn in turns]
        typer.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
        return
    table = Table("time (UTC)", "strategy", "symbol", "role", "before", "after", "by", "why", box=None)
    for turn in turns:
        symbol = turn.key[1] or "all"
        table.add_row(shown(turn.ts), turn.key[0], symbol, turn.role, *_versions(turn), turn.by, turn.reason)
    Console(highlight=False).print(table if turns else "no model was ever in force: warm-up decides")


def _versions(turn: Any) -> tuple[str, str]:
    nothing = "warm-up" if turn.role == "champion" else "-"
    return turn.before or nothing, turn.after or nothing


def _print_at(force: "Force", time: int, strategy: str | None, as_json: bool) -> None:
    found = {key: version for key, version in force.at(time).items() if strategy in (None, key[0])}
    names = [strategy] if strategy else list(force.strategies)
    for name in names:
        found.setdefault((name, ""), None)
    if as_json:
        rows = [{"strategy": key[0], "symbol": key[1] or None, "version": version} for key, version in found.items()]
        typer.echo(json.dumps(rows))
        return
    for (name, symbol), version in sorted(found.items()):
        typer.echo(f"{name} {symbol or 'all symbols'}: {version or 'warm-up'}")


def _row(record: "ModelRecord", force: "Force") -> dict[str, Any]:
    key = (record.strategy, record.symbols[0] if len(record.symbols) == 1 else "")
    keys = {key, (record.strategy, "")}
    role = None
    if any((held := force.champions.get(one)) and held.version == record.version for one in keys):
        role = "champion"
    elif any(record.version in force.candidates.get(one, {}) for one in keys):
        role = "shadow"
    test = record.metrics.get("test", {})
    return {
        "version": record.version,
        "strategy": record.strategy,
        "symbols": record.symbols,
        "family": record.family,
        "trained_at": record.trained_at,
        "rows": sum(split.rows for split in record.splits.values()),
        "test": {name: test[name] for name in FIGURES if test.get(name) is not None},
        "trigger": record.trigger,
        "now": role,
    }
