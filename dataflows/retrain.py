"""retrain: a range of the log -> dataset -> model -> evaluation and backtest -> files and registry.

One training, from the log's present end. It takes no decision: what becomes of the model is the governor's business.
"""

import shutil
import time
from typing import Any

import structlog

from connectors.control import FIRST, log_time
from dataflows.registries import registry_named
from dataflows.retrain_range import Spans, dataset_request
from dataflows.training import SPLITS, Making, rows_of
from dataflows.trial import CANDIDATE
from dataflows.workshop import Workshop
from learning.datasets import DatasetError, build
from learning.files import VersionTaken
from learning.governor.queue import Request as Asked
from learning.training import (
    CannotTrain,
    Request,
    Trained,
    train,
)
from operators.online.models import Unusable
from operators.trading.stage import InForce
from schemas.governance import TrainingDone
from schemas.model import ModelRecord
from schemas.strategy import Strategy

REFUSALS = (CannotTrain, DatasetError, VersionTaken, Unusable)
"""What leaves everything as it was, with a clear word."""
LOGGER = structlog.get_logger()


class InProcess:
    """Makes trainings at once, in this process: for tests and for a demo in virtual time."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop

    def start(self, request: Asked, settings: Strategy | None, champion: InForce | None, now: int) -> TrainingDone:
        """Make it."""
        if settings is None:
            return unknown(request, now)
        return retrain(self.shop, settings, request.trigger, request.symbol, request.ids, champion, now)

    def busy(self) -> bool:
        """Never: a training is over when ``start`` returns."""
        return False

    def killed(self) -> bool:
        """Never."""
        return False

    def cancel(self) -> None:
        """Nothing runs."""


def retrain(
    shop: Workshop,
    strategy: Strategy,
    trigger: str,
    symbol: str | None = None,
    requests: tuple[str, ...] = (),
    champion: InForce | None = None,
    now: int | None = None,
) -> TrainingDone:
    """Train a model of ``strategy`` (of one ``symbol``, or of all of its own) on the log as it is now.

    Refused, it says why and leaves everything as it was: the model in force stays. ``now`` is log time (microseconds
    UTC), by default that of the newest event. The same log gives the same model, to the byte.

    Raises:
        LogUnavailable: when the log is away. Other errors are bugs.
    """
    began = time.monotonic()
    newest = newest_of(shop)
    now = newest if now is None else now
    one = Making(shop, strategy, symbol, newest, champion)

    def ended(**more: Any) -> TrainingDone:
        seconds = round(time.monotonic() - began, 3)
        return TrainingDone(
            strategy.strategy, max(now, newest), newest, requests=requests, trigger=trigger, symbol=symbol,
            seconds=seconds, **more,
        )  # fmt: skip

    try:
        record = one.make(trigger, began)
    except REFUSALS as problem:
        LOGGER.warning("training.refused", strategy=strategy.strategy, trigger=trigger, reason=str(problem))
        return ended(status="failed", error=str(problem))
    finally:
        shutil.rmtree(one.folder, ignore_errors=True)
    rows = sum(split.rows for split in record.splits.values())
    LOGGER.info("training.done", strategy=strategy.strategy, version=record.version, rows=rows)
    return ended(status="ready", version=record.version, sha256=record.sha256, rows=rows, metrics=decisive_of(record))


def again(shop: Workshop, record: ModelRecord) -> Trained:
    """Train the model of a record once more from the log; the same bytes, if the code and the log are the same.

    Raises:
        CannotTrain, DatasetError: when it cannot be; what differs is said where it is known.
    """
    from learning.training import settings_of

    target, training = settings_of(record)
    registry = registry_named(shop.log, shop.registry, record.feature_registry_version)
    if registry is None:
        raise CannotTrain(
            f"model {record.version} was trained with registry version {record.feature_registry_version}, which was"
            f" never activated on this log, and {shop.registry.version} is in use: set LOCKSTEP_REGISTRY"
        )
    periods = Spans(*((record.splits[name].start, record.splits[name].end) for name in SPLITS))
    request = dataset_request(record.symbols, periods, target, training)
    folder = shop.folder / f"again-{record.version}"
    try:
        build(shop.log, shop.shards, request, registry, folder)
        return train(Request(rows_of(folder, "train", record.features), rows_of(folder, "validation", record.features),
                             record.features, target, training))  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def newest_of(shop: Workshop) -> int:
    """The time of the newest event of the log, in microseconds UTC; ``FIRST`` where there is none."""
    return max((log_time(shop.log, shard) for shard in range(shop.shards)), default=FIRST)


def unknown(request: Asked, now: int) -> TrainingDone:
    """The answer to who asks for a strategy that nobody configured."""
    error = f"there is no strategy {request.strategy} on the log: see `lockstep strategies`"
    return TrainingDone(request.strategy, now, now, "failed", request.ids, request.trigger, request.symbol, error=error)


def decisive_of(record: ModelRecord) -> dict[str, float]:
    """The figures that decide about a model: of the test split, and ``trading_<name>`` of its backtest."""
    test = {name: value for name, value in record.metrics.get("test", {}).items() if _number(value)}
    if not test.get("rows"):
        validation = record.metrics.get("validation", {})
        test = {name: value for name, value in validation.items() if _number(value)}
    traded = record.metrics.get("backtest", {}).get(CANDIDATE, {})
    found = {name: float(value) for name, value in test.items() if name not in traded}
    return found | {f"trading_{name}": float(value) for name, value in traded.items() if _number(value)}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
