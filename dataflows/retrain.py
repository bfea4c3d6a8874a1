"""retrain: a range of the log -> dataset -> model -> evaluation and backtest -> files and registry.

One training, from the log's present end. It takes no decision: what becomes of the model is the governor's business.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog
from msgspec.structs import replace

from connectors.code import code_digest
from connectors.control import FIRST, log_time
from connectors.log import Log
from dataflows.asking import NothingToTest
from dataflows.retrain_range import Spans, dataset_request, spans
from dataflows.trial import CANDIDATE, trial
from learning.datasets import DatasetError, DatasetMetadata, build, matrix, read_split
from learning.datasets.metadata import Progress as Built
from learning.files import ModelFiles, VersionTaken
from learning.governor.queue import Request as Asked
from learning.training import (
    CannotTrain,
    Evaluation,
    Progress,
    Request,
    Rows,
    Trained,
    Watch,
    decisive,
    evaluate,
    train,
    walk_forward,
)
from learning.training.folds import folds_of, joined
from learning.training.opened import OpenedModel
from operators.features.featureset import FeatureSet
from operators.online.models import BatchModel, Unusable
from operators.registry import Registry
from operators.trading.stage import InForce
from schemas.governance import TrainingDone
from schemas.model import ModelRecord
from schemas.strategy import Strategy

PARTS = ("schemas", "operators", "connectors", "learning", "dataflows")
"""The sources that a model depends on."""
SPLITS = ("train", "validation", "test")
SHARES = {"dataset": (0.0, 0.4), "training": (0.4, 0.25), "folds": (0.65, 0.2), "backtest": (0.85, 0.15)}
"""By phase: where it begins in the whole, and its part of it; for people, so it may be a guess."""
REFUSALS = (CannotTrain, DatasetError, VersionTaken, Unusable)
"""What leaves everything as it was, with a clear word."""
LOGGER = structlog.get_logger()
Told = Callable[[Progress], None]


@dataclass(frozen=True)
class Workshop:
    """Where trainings are made.

    Args:
        log: with the topics ``events`` and ``features`` on ``shards`` shards.
        registry: the features.
        models: where the files of models go.
        folder: for datasets and backtests in the making; they are removed afterwards.
        register: stores a record, and how many seconds it took, where others look for models.
        free: the name of the next version, from the time of the newest event that it may know.
        told: hears how far a training is.
        tries: whether candidates are tried in a backtest.
    """

    log: Log
    shards: int
    registry: Registry
    models: ModelFiles
    folder: Path
    register: Callable[[ModelRecord, float], None] = lambda record, seconds: None
    free: Callable[[int], str] | None = None
    told: Told = lambda progress: None
    tries: bool = True

    def version(self, newest: int) -> str:
        """A name that no version here has."""
        name = self.free(newest) if self.free is not None else f"v{newest // 1_000_000}"
        plain, taken = name.split(".")[0], set(self.models.versions())
        later = (f"{plain}.{number}" for number in range(1, len(taken) + 2))
        return name if name not in taken else next(one for one in later if one not in taken)


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
    one = _One(shop, strategy, symbol, newest, champion)

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
    if record.feature_registry_version != shop.registry.version:
        raise CannotTrain(
            f"model {record.version} was trained with registry version {record.feature_registry_version}, and"
            f" {shop.registry.version} is in use: set LOCKSTEP_REGISTRY"
        )
    periods = Spans(*((record.splits[name].start, record.splits[name].end) for name in SPLITS))
    request = dataset_request(record.symbols, periods, target, training)
    folder = shop.folder / f"again-{record.version}"
    try:
        build(shop.log, shop.shards, request, shop.registry, folder)
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


def rows_of(folder: Path, split: str, features: tuple[str, ...]) -> Rows:
    """A split of a dataset as a training takes it."""
    return Rows(*matrix(read_split(folder, split), features))


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


class _One:
    """One training."""

    def __init__(
        self, shop: Workshop, strategy: Strategy, symbol: str | None, newest: int, champion: InForce | None
    ) -> None:
        self.shop = shop
        self.strategy = strategy
        self.symbols = (symbol,) if symbol else strategy.symbols
        self.newest = newest
        self.champion = champion
        self.folder = shop.folder / f"{strategy.strategy}-{newest}"
        self.watch = Watch()

    def make(self, trigger: str, began: float) -> ModelRecord:
        """Dataset, model, evaluation, backtest; then everything is stored."""
        learning = self.strategy.learning
        periods = spans(self.shop.log, self.shop.shards, learning.training, self.newest)
        request = dataset_request(self.symbols, periods, learning.target, learning.training)
        self.folder.mkdir(parents=True, exist_ok=True)
        metadata = build(
            self.shop.log, self.shop.shards, request, self.shop.registry, self.folder / "rows", progress=self._built
        )
        trained, evaluations = self._train(metadata)
        record = self._record(trained, metadata, evaluations, trigger)
        if self.shop.tries and trained.model.classes and evaluations["test"].rows:
            record = self._tried(record, trained)
        record = self.shop.models.save(record, trained.content)
        self.shop.register(record, time.monotonic() - began)
        return record

    def _train(self, metadata: DatasetMetadata) -> tuple[Trained, dict[str, Evaluation]]:
        learning = self.strategy.learning
        found = {name: rows_of(self.folder / "rows", name, metadata.features) for name in SPLITS}
        request = Request(found["train"], found["validation"], metadata.features, learning.target, learning.training)
        trained = train(request, Watch(lambda progress: self._tell("training", progress.phase, progress.share)))
        evaluations = {name: evaluate(trained.model, found[name]) for name in SPLITS}
        self._walk(found, metadata.features, evaluations)
        try:
            decisive({name: evaluations[name] for name in ("validation", "test")})
        except ValueError as problem:
            raise CannotTrain(f"{problem}; lengthen learning.training.test_days or validation_days") from None
        return trained, evaluations

    def _walk(self, found: Mapping[str, Rows], features: tuple[str, ...], evaluations: dict[str, Evaluation]) -> None:
        """Add what the same settings come to, fold by fold, before the test split: whether one split was luck."""
        learning = self.strategy.learning
        training, count = learning.training, learning.training.folds
        if not count:
            return
        times, rows = joined([(self._times(name), found[name]) for name in ("train", "validation")])
        folds = folds_of(times, rows, count, horizon=learning.target.horizon, embargo=training.embargo)
        alike = replace(training, search="none", min_rows=training.min_rows // 2)
        watch = Watch(lambda progress: self._tell("folds", progress.phase, progress.share))
        try:
            walked = walk_forward(folds, features, learning.target, alike, count=count, watch=watch)
        except CannotTrain as problem:
            evaluations["walk_forward"] = Evaluation(0, reason=str(problem))
            return
        for fold in walked.folds:
            evaluations[f"{fold.name}/validation"] = fold.evaluation
        figures: dict[str, float | None] = {"folds": float(len(walked.folds))}
        for name, spread in walked.spread.items():
            figures |= {name: spread.mean, f"{name}_deviation": spread.deviation}
        evaluations["walk_forward"] = Evaluation(sum(fold.evaluation.rows for fold in walked.folds), figures)

    def _times(self, split: str) -> npt.NDArray[np.int64]:
        column = read_split(self.folder / "rows", split).column("timestamp")
        return np.asarray(column.cast(pa.int64()))

    def _record(
        self, trained: Trained, metadata: DatasetMetadata, evaluations: Mapping[str, Evaluation], trigger: str
    ) -> ModelRecord:
        training = self.strategy.learning.training
        warning = decisive({name: evaluations[name] for name in ("validation", "test")}).warning
        notes = [*trained.notes, *metadata.notes, *([f"judged by the validation split: {warning}"] if warning else [])]
        return trained.record(
            version=self.shop.version(self.newest),
            strategy=self.strategy.strategy,
            symbols=metadata.symbols,
            feature_registry_version=metadata.feature_registry_version,
            every=training.every,
            offsets=metadata.offsets,
            splits={name: metadata.splits[name].period for name in SPLITS},
            trained_at=self.newest,
            code=code_digest(PARTS),
            dataset=metadata.digest,
            trigger=trigger,
            metrics={name: found.metrics() for name, found in evaluations.items()},
            notes=tuple(notes),
        )

    def _tried(self, record: ModelRecord, trained: Trained) -> ModelRecord:
        """The record with what a backtest over the test range came to, for the candidate and for its rivals."""
        self._tell("backtest", "backtest of the candidate", 0.0)
        period = record.splits["test"]
        candidate = Beside(self.shop.models, OpenedModel(record, trained.model))
        try:
            found = trial(
                self.shop.log,
                self.shop.shards,
                FeatureSet.compile(self.shop.registry),
                self.strategy,
                InForce(record.version, record.sha256),
                self.champion,
                period.start,
                period.end,
                candidate,
                self.folder / "trial",
            )
        except NothingToTest as problem:
            return msgspec.structs.replace(record, notes=(*record.notes, f"no backtest: {problem}"))
        own = {name: value for name, value in found[CANDIDATE].items() if value is not None}
        metrics = {**record.metrics, "test": {**record.metrics["test"], **own}, "backtest": found}
        return msgspec.structs.replace(record, metrics=metrics)

    def _built(self, progress: Built) -> None:
        share = progress.done / progress.total if progress.total else 0.0
        self._tell("dataset", f"dataset: {progress.phase}", share)

    def _tell(self, phase: str, what: str, share: float) -> None:
        begin, part = SHARES[phase]
        whole = begin + part * min(share, 1.0)
        elapsed = self.watch.clock() - self.watch.begin
        self.shop.told(Progress(what, whole, elapsed * (1 - whole) / whole if whole else float("inf")))


class Beside:
    """The files of models, and one that is in memory only."""

    def __init__(self, files: ModelFiles, own: OpenedModel) -> None:
        self.files = files
        self.own = own

    def open(self, version: str, sha256: str) -> BatchModel:
        """The model of a version.

        Raises:
            Unusable: when there is none with this hash.
        """
        return self.own if version == self.own.version else self.files.open(version, sha256)
