"""``lockstep models promote`` and ``rollback``: a person decides which model is in force."""

import getpass
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from cli.context import Context, UserError
from cli.flow import shards_of
from cli.learn import PATIENCE, writer
from cli.train import known
from connectors.control import append_now
from connectors.log import Log
from connectors.postgres.lease import Lease
from schemas.model import ONLINE, ModelActivated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learning.governor.force import Force, Turn

Symbol = Annotated[str | None, typer.Option(help="Only for this symbol; default: for all of the strategy's.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
LONGEST = 200


def promote(
    version: Annotated[str, typer.Argument(help="Such as v1741079704; or online, the River model.")],
    strategy: Annotated[str | None, typer.Option(help="Whose; default: the one it was trained for.")] = None,
    symbol: Symbol = None,
    reason: Reason = "",
) -> None:
    """Put a model in force on every shard, from here on, after checking that every shard can use it."""
    with Context() as context, closing(context.open_log()) as log:
        shards = shards_of(log, context.settings.shards)
        force = known(log, shards).force
        strategy, sha256 = usable(context, version, strategy)
        _check(force, strategy, symbol)
        activate(context, log, shards, strategy, symbol, version, sha256, reason or "promoted by hand")
    typer.echo(f"{strategy}: {version} is in force for {symbol or 'all symbols'}")


def rollback(
    strategy: Annotated[str, typer.Argument(help="Whose model.")],
    symbol: Symbol = None,
    reason: Reason = "",
) -> None:
    """Put the model in force that was so before the present one; warm-up where there was none."""
    with Context() as context, closing(context.open_log()) as log:
        shards = shards_of(log, context.settings.shards)
        force = known(log, shards).force
        _check(force, strategy, symbol)
        now = force.champions.get((strategy, symbol or ""))
        if now is None:
            raise UserError(f"{strategy}: no model is in force for {symbol or 'all symbols'}, so there is no way back")
        before = previous(force.turns, strategy, symbol or "")
        sha256 = usable(context, before, strategy)[1] if before else ""
        activate(context, log, shards, strategy, symbol, before, sha256, reason or f"rolled back from {now.version}")
    typer.echo(f"{strategy}: back from {now.version} to {before or 'warm-up'} for {symbol or 'all symbols'}")


def usable(context: Context, version: str, strategy: str | None) -> tuple[str, str]:
    """Whose model a version is, and the hash of its file.

    Raises:
        UserError: when it cannot be used here: no file, another hash, features that the registry does not have.
    """
    from learning.files import ModelFiles
    from operators.online.models import Unusable

    if version == ONLINE:
        if strategy is None:
            raise UserError("the online model has no strategy of its own: say --strategy")
        return strategy, ""
    files = ModelFiles(context.models)
    try:
        record = files.record(version)
        files.open(version, record.sha256)
    except Unusable as error:
        raise UserError(str(error)) from None
    if strategy not in (None, record.strategy):
        raise UserError(f"{version} was trained for {record.strategy}, not for {strategy}")
    names = {entry.name for entry in context.registry().entries}
    if missing := [name for name in record.features if name not in names]:
        raise UserError(
            f"{version} looks at {', '.join(missing)}, which LOCKSTEP_REGISTRY={context.settings.registry} does not"
            f" have: it was trained with registry version {record.feature_registry_version}"
        )
    return record.strategy, record.sha256


def previous(turns: "Sequence[Turn]", strategy: str, symbol: str) -> str | None:
    """The champion below the present one: what was rolled back from does not come back. None: warm-up."""
    pile: list[str] = []
    for turn in turns:
        if turn.role != "champion" or turn.key != (strategy, symbol) or turn.after is None:
            continue
        if turn.after in pile:
            del pile[pile.index(turn.after) :]
        pile.append(turn.after)
    return pile[-2] if len(pile) > 1 else None


def activate(
    context: Context,
    log: Log,
    shards: int,
    strategy: str,
    symbol: str | None,
    version: str | None,
    sha256: str,
    reason: str,
) -> None:
    """Write it to every shard, as the only one who writes model events meanwhile."""
    event = ModelActivated(
        1, strategy, version, symbol, sha256, reason[:LONGEST], by=_who(), decision=f"hand/{uuid.uuid4()}"
    )
    with Lease(context.database_url(), "models/0", PATIENCE) as lease, writer(lease, context)():
        for shard in range(shards):
            append_now(log, shard, event)


def _check(force: "Force", strategy: str, symbol: str | None) -> None:
    if strategy not in force.strategies:
        names = ", ".join(force.strategies) or "none"
        raise UserError(f"there is no strategy {strategy} on the log, but {names}: see lockstep strategies apply")
    if symbol is not None and symbol not in force.strategies[strategy].symbols:
        raise UserError(f"{strategy} does not trade {symbol}, but {', '.join(force.strategies[strategy].symbols)}")


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "cli"
