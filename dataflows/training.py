"""One training, step by step: dataset, model, evaluation, walking forward, backtest, record."""

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import replace

from connectors.code import code_digest
from dataflows.asking import NothingToTest
from dataflows.registries import registry_at
from dataflows.retrain_range import dataset_request, spans
from dataflows.trial import CANDIDATE, trial
from dataflows.workshop import Workshop
from learning.datasets import DatasetMetadata, build, matrix, read_split
from learning.datasets.metadata import Progress as Built
from learning.files import ModelFiles
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
from operators.online.models import BatchModel
from operators.trading.stage import InForce
from schemas.model import ModelRecord
from schemas.strategy import Strategy

PARTS = ("schemas", "operators", "connectors", "learning", "dataflows")
"""The sources that a model depends on."""
SPLITS = ("train", "validation", "test")
SHARES = {"dataset": (0.0, 0.4), "training": (0.4, 0.25), "folds": (0.65, 0.2), "backtest": (0.85, 0.15)}
"""By phase: where it begins in the whole, and its part of it; for people, so it may be a guess."""


class Making:
    """One training."""

    def __init__(
        self, shop: Workshop, strategy: Strategy, symbol: str | None, newest: int, champion: InForce | None
    ) -> None:
        self.shop = shop
        self.strategy = strategy
        self.symbols = (symbol,) if symbol else strategy.symbols
        self.newest = newest
        self.champion = champion
        self.registry = registry_at(shop.log, shop.registry, newest)
        self.folder = shop.folder / f"{strategy.strategy}-{newest}"
        self.watch = Watch()

    def make(self, trigger: str, began: float) -> ModelRecord:
        """Dataset, model, evaluation, backtest; then everything is stored."""
        learning = self.strategy.learning
        periods = spans(self.shop.log, self.shop.shards, learning.training, self.newest)
        request = dataset_request(self.symbols, periods, learning.target, learning.training)
        self.folder.mkdir(parents=True, exist_ok=True)
        metadata = build(
            self.shop.log, self.shop.shards, request, self.registry, self.folder / "rows", progress=self._built
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
        meanings = FeatureSet.compile(self.registry).meanings
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
            meanings={name: meanings[name] for name in metadata.features},
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
                FeatureSet.compile(self.registry),
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


def rows_of(folder: Path, split: str, features: tuple[str, ...]) -> Rows:
    """A split of a dataset as a training takes it."""
    return Rows(*matrix(read_split(folder, split), features))
