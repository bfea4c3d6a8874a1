"""Putting one dataset together: rows from the log into splits, checked, with everything that is noted of them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import structlog

from connectors.code import code_digest
from connectors.log import Log
from learning.datasets import served, source
from learning.datasets.apart import ensure_apart
from learning.datasets.content import registry_digest
from learning.datasets.errors import CannotServe, DatasetError, LeakageError
from learning.datasets.leakage import Check, Compile
from learning.datasets.metadata import DatasetMetadata, save_metadata
from learning.datasets.pace import Pace
from learning.datasets.parallel.cutting import Cut
from learning.datasets.parallel.workforce import Workforce
from learning.datasets.quality import Quality
from learning.datasets.request import DatasetRequest, chosen, deviation_of
from learning.datasets.row import Columns, Row
from learning.datasets.sample import Sample
from learning.datasets.sorting import Sorting
from learning.datasets.source import Part, Unfit
from learning.datasets.took import Took, save_build
from operators.engine import Cursor
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.registry import Registry

PARTS = ("schemas", "operators", "connectors", "learning")
"""The sources that rows depend on."""


class Assembly:
    """One build: what it needs, and what it notes on the way."""

    def __init__(
        self,
        log: Log,
        shards: int,
        request: DatasetRequest,
        registry: Registry,
        pace: Pace,
        compile: Compile | None,
        force: Workforce = Workforce(),
    ) -> None:
        self.log = log
        self.shards = shards
        self.request = request
        self.registry = registry
        self.pace = pace
        self.columns = Columns(chosen(request, registry), deviation_of(registry) if self._needs_deviation() else None)
        self.compile = compile or self._of_registry
        self.force = force
        self.team = None if compile else force.team(log, registry, request, self.columns)
        self.cuts: list[Cut] = []
        self.features = self.compile(log)
        self.took = Took()
        self.notes: list[str] = []

    def into(self, folder: Path) -> DatasetMetadata:
        """Build in ``folder``, the fast way where that is possible and allowed."""
        if self.request.source != "events":
            try:
                return self._from(source.found, "features", folder)
            except (Unfit, LeakageError) as error:
                if self.request.source == "features":
                    raise (
                        error
                        if isinstance(error, DatasetError)
                        else DatasetError(
                            f"the dataset cannot be read from the topic features: {error}; ask for source events"
                        )
                    ) from error
                structlog.get_logger().info("dataset.replayed", dataset=self.request.dataset_id, because=str(error))
        return self._from(source.computed, "events", folder)

    def _from(self, rows_of: Callable[..., Iterator[Row]], way: str, folder: Path) -> DatasetMetadata:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.took = Took()
        sorting = Sorting(self.request, self.columns.names, self._about(), folder)
        if not sorting.tallies:
            raise DatasetError("walk_forward: not even one fold fits between start and end: make its windows shorter")
        parts, notes = source.parts_of(
            self.log, self.shards, self.request, self.columns, self.features, sorting.first, sorting.end
        )
        self.pace.begin(messages := source.messages(self.log, parts))
        self.took.phase("plan")
        quality, sample = Quality(self.columns.names), Sample(self.request.samples)
        self.cuts = self._cut(sorting, messages) if way == "events" and self.team else []
        with ExitStack() as stack:
            if self.cuts and self.team:
                made = self.team.rows(parts, self.cuts, folder / ".rows", self.pace, sorting.lose)
                rows: Iterator[Row] = stack.enter_context(closing(made))
            else:
                rows = rows_of(self.log, parts, self.features, self.pace)
            for row in rows:
                self._lost(parts, sorting)
                if sorting.take(row):
                    quality.add(row.values, row.change, row.target)
                    sample.add(row)
                    self.pace.row()
        self._lost(parts, sorting)
        self.took.messages = self.pace.now.done
        self.took.phase("rows")
        # What others wrote is always checked: another registry may have the same version.
        checked = self.request.leakage_check or way == "features"
        metadata = self._metadata(sorting, parts, quality, sample if checked else None, notes)
        save_metadata(metadata, folder)
        kept = sum(info.rows for info in metadata.splits.values())
        peaks = self.team.peaks if self.cuts and self.team else []
        save_build(self.took.figures(way, kept, len(self.cuts), peaks), folder)
        return metadata

    def _cut(self, sorting: Sorting, messages: int) -> list[Cut]:
        """The pieces of the range for the team; what they read to warm up is part of the work."""
        first, end = sorting.first, sorting.end
        lookback = MarketStage(self.features, Cursor(0)).lookback
        cuts = self.force.cuts(first, end, lookback, messages)
        self.pace.begin(round(messages * (1 + max(len(cuts) - 1, 0) * lookback / (end - first))))
        return cuts

    def _metadata(
        self, sorting: Sorting, parts: list[Part], quality: Quality, sample: Sample | None, notes: list[str]
    ) -> DatasetMetadata:
        splits = sorting.finish()
        if not any(info.rows for info in splits.values()):
            raise self._nothing(sorting)
        report = quality.report()
        self._ensure_learnable(report, splits)
        ensure_apart([] if sorting.random else list(splits.items()), self.request.horizon)
        leakage = self._check(sample, quality)
        self.took.phase("check")
        return DatasetMetadata(
            request=self.request,
            dataset_id=self.request.dataset_id,
            symbols=self.request.symbols,
            features=self.columns.names,
            feature_registry_version=self.registry.version,
            registry_digest=registry_digest(self.registry),
            splits=splits,
            offsets={str(part.where.shard): (part.where.start, part.maker.offset + 1) for part in parts},
            code=code_digest(PARTS),
            digest=sorting.digest(),
            empty_splits=sorting.empty,
            skipped_folds=sorting.skipped,
            coverage=sorting.coverage(parts),
            quality=report,
            leakage=leakage,
            notes=(*notes, *sorting.notes()),
            look_ahead=self.request.missing == "interpolate",
        )

    def _check(self, sample: Sample | None, quality: Quality) -> dict[str, Any]:
        if sample is None:
            return {"passed": None, "rows": []}
        if told := quality.foretelling():
            name, value = next(iter(told.items()))
            raise LeakageError(
                f"leak: {name} correlates by {value:.6f} with the return that came later: it cannot have been known"
            )
        self.pace.checking()
        if self.cuts and self.team:
            return self.team.proved(sample.rows(), self.request, self.pace)
        against = Check(self.log, self.compile, self.columns, self.request)
        return against.rows(sample.rows(), self.pace.step)

    def _ensure_learnable(self, report: dict[str, Any], splits: dict[str, Any]) -> None:
        """Raises ``DatasetError`` for a target of one class, in all that there is to learn from."""
        train = [info.target for key, info in splits.items() if key.split("/")[-1] == "train" and info.rows]
        classes = {label for target in train for label in target.get("classes", {})}
        if self.request.target.kind == "classification" and train and len(classes) < 2:
            target = self.request.target
            raise DatasetError(
                f"the target has one class, {classes.pop()}, in every row to train on: choose another threshold than"
                f" {target.threshold:g} or another horizon than {target.horizon} s"
            )

    def _nothing(self, sorting: Sorting) -> CannotServe:
        found = served.served(self.log, self.shards, self.request.symbols)
        asked = f"{served.utc(sorting.first)} to {served.utc(sorting.end)}"
        why = ", ".join(f"{reason}: {count}" for reason, count in sorting.reasons().items())
        return CannotServe(
            f"the log has no rows for {asked}{f' (moments lost: {why})' if why else ''}; what it has:"
            f" {served.words(found)}"
        )

    def _lost(self, parts: list[Part], sorting: Sorting) -> None:
        for part in parts:
            for lost in part.maker.lost:
                sorting.lose(lost)
            part.maker.lost.clear()

    def _needs_deviation(self) -> bool:
        return self.request.target.kind == "risk_adjusted"

    def _of_registry(self, log: Any) -> FeatureSet:
        wanted = {*self.columns.names, self.columns.deviation}
        entries = [entry for entry in self.registry.entries if entry.name in wanted]
        return FeatureSet(self.registry.version, [(entry.name, entry.feature, entry.normalise) for entry in entries])

    def _about(self) -> dict[str, Any]:
        return {
            "feature_registry_version": self.registry.version,
            "registry_digest": registry_digest(self.registry),
            "symbols": self.request.symbols,
            "target": msgspec.to_builtins(self.request.target),
        }
