"""``lockstep train``: a training now, by the daemon or, where none runs, right here."""

import json
import time
import uuid
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.alone import alone
from cli.context import Context, Exit, UserError
from cli.flow import log_name, shards_of
from cli.learn import ALREADY, LOCK, PATIENCE, writer
from cli.sources import FromKept, Kept
from cli.topics import create_topics
from cli.workshop import gently, workshop
from connectors.log import Log
from connectors.postgres.lease import Lease
from schemas.command import Train
from schemas.governance import TrainingDone

if TYPE_CHECKING:
    from learning.governor.governor import Governor

LOOK = 0.3


def train(
    strategy: Annotated[str | None, typer.Option(help="Whose model; default: the one strategy that trains.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only of this symbol.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it has ended; exit 1 if that was without a model.")
    ] = False,
    again: Annotated[
        str | None, typer.Option(help="Train this version once more; exit 1 unless it has the same bytes.")
    ] = None,
    source: FromKept = Kept.log,
    answer: Annotated[str | None, typer.Option(hidden=True, help="What the daemon tells its child.")] = None,
) -> None:
    """Train a model from the log. Where ``lockstep learn`` runs it does so, otherwise it is done here, at once."""
    with Context() as context, closing(context.open_log()) as log, closing(context.open_log(source)) as past:
        create_topics(log, context.settings)
        shards = shards_of(log, context.settings.shards)
        if answer is not None:
            _answer(context, log, past, shards, json.loads(answer))
        elif again is not None:
            _again(context, past, shards, again)
        else:
            _train(context, log, past, shards, strategy, symbol, wait)


def _train(
    context: Context, log: Log, past: Log, shards: int, strategy: str | None, symbol: str | None, wait: bool
) -> None:
    from dataflows.learn import put

    governor = known(log, shards)
    request = Train(
        _named(governor, strategy, symbol), max(governor.clock, 1), "manual", "asked for", symbol, by="cli",
        request_id=str(uuid.uuid4()),
    )  # fmt: skip
    with ExitStack() as held:
        try:
            held.enter_context(alone(context.path("learn", LOCK), ALREADY))
        except UserError:
            put(log, shards, request)
            typer.echo(f"a training of {request.strategy} is asked for: {request.request_id}")
            if wait:
                _told(_wait(context, log, shards, request))
            return
        put(log, shards, request)
        typer.echo(f"lockstep learn does not run: training {request.strategy} here")
        _told(_here(context, log, past, shards, request))


def _here(context: Context, log: Log, past: Log, shards: int, request: Train) -> TrainingDone:
    """Make it in this process from what is in ``past``, and begin its time in shadow, as the daemon would."""
    from dataflows.learn import Learner
    from dataflows.retrain import InProcess

    url = context.database_url()
    with Lease(url, "train/0", PATIENCE) as lease, Lease(url, "models/0", PATIENCE) as writing:
        lease.take(f"learn {log_name(context)}", 0)
        shop = workshop(context, past, url, shards)
        learner = Learner(log, shards, InProcess(shop), sole=writer(writing, context))
        learner.step()
        learner.close()
    return _done(log, shards, request) or _unanswered(request)


def _wait(context: Context, log: Log, shards: int, request: Train) -> TrainingDone:
    """Until the daemon has answered, saying how far it is."""
    from dataflows.learn_status import STATUS

    said = ""
    while (done := _done(log, shards, request)) is None:
        now = _progress(context.home / "learn" / STATUS)
        if now and now != said:
            typer.echo(now)
            said = now
        time.sleep(LOOK)
    return done


def _progress(path: Path) -> str:
    try:
        running: dict[str, Any] | None = json.loads(path.read_bytes())["current_training"]
    except (OSError, ValueError, KeyError):
        return ""
    if not running:
        return ""
    end = running.get("estimated_completion")
    return f"{running['progress_percent']:.0f} %  {running['phase']}" + (f"  until {end}" if end else "")


def _done(log: Log, shards: int, request: Train) -> TrainingDone | None:
    """What came of a request, if that is known."""
    from connectors.log.span import span
    from schemas.codec import decode_learning
    from schemas.topics import LEARNING, shard_of

    shard = shard_of(request.strategy, shards)
    found = None
    for record in span(log, LEARNING.name, shard, log.start(LEARNING.name, shard), log.end(LEARNING.name, shard)):
        report = decode_learning(record.value or b"")
        if isinstance(report, TrainingDone) and request.request_id in report.requests:
            found = report
    return found


def _unanswered(request: Train) -> TrainingDone:
    return TrainingDone(request.strategy, request.ts, request.ts, "failed", error="the training gave no answer")


def _told(done: TrainingDone) -> None:
    if done.status != "ready":
        raise UserError(f"no new model, the old one stays: {done.error}", Exit.FAILED)
    figures = ", ".join(
        f"{name} {done.metrics[name]:.3f}" for name in ("accuracy", "f1_score", "roc_auc") if name in done.metrics
    )
    typer.echo(f"{done.version}: {done.rows:,} rows in {done.seconds:.1f} s; on the test split: {figures}")


def _answer(context: Context, log: Log, past: Log, shards: int, wanted: dict[str, Any]) -> None:
    """A training for the daemon, in a process of its own: what came of it goes on the log."""
    from dataflows.learn import put
    from dataflows.retrain import retrain
    from operators.trading.stage import InForce

    gently()
    governor = known(log, shards)
    settings = governor.force.strategies[wanted["strategy"]]
    champion = InForce(*wanted["champion"]) if wanted["champion"] else None
    shop = workshop(context, past, context.database_url(), shards)
    done = retrain(
        shop, settings, wanted["trigger"], wanted["symbol"], tuple(wanted["requests"]), champion, governor.clock or None
    )
    put(log, shards, done)


def _again(context: Context, log: Log, shards: int, version: str) -> None:
    """Whether the log still gives the same model."""
    from dataflows.retrain import again
    from learning.datasets import DatasetError
    from learning.training import CannotTrain
    from operators.online.models import Unusable

    shop = workshop(context, log, context.database_url(), shards)
    try:
        record = shop.models.record(version)
        made = again(shop, record)
    except (Unusable, CannotTrain, DatasetError) as error:
        raise UserError(str(error), Exit.DATA) from None
    if made.sha256 != record.sha256:
        raise UserError(f"{version} came out as {made.sha256}, and is {record.sha256}: NOT the same", Exit.FAILED)
    typer.echo(f"{version}: the same bytes, {record.sha256}")


def _named(governor: "Governor", strategy: str | None, symbol: str | None) -> str:
    """The strategy that is meant.

    Raises:
        UserError: when there is none, or several, or it does not trade the symbol.
    """
    known = governor.force.strategies
    training = [name for name, settings in known.items() if settings.learning.training.enabled]
    if strategy is None and len(training) == 1:
        strategy = training[0]
    if strategy not in known:
        what = "say --strategy" if strategy is None else f"there is no strategy {strategy}"
        raise UserError(f"{what}: those that train are {', '.join(training) or 'none'}; see lockstep strategies apply")
    if symbol is not None and symbol not in known[strategy].symbols:
        raise UserError(f"{strategy} does not trade {symbol}, but {', '.join(known[strategy].symbols)}")
    return strategy


def known(log: Log, shards: int) -> "Governor":
    """Strategies and models in force, as the log says now."""
    from dataflows.learn_feed import Feed
    from learning.governor.governor import Governor

    governor = Governor(shards)
    feed = Feed(log, shards, governor)
    feed.events()
    feed.close()
    return governor
