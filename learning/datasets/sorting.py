"""All splits of one build: rows in, files and counts out."""

from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import structlog

from learning.datasets.files import SplitFile, schema_of
from learning.datasets.metadata import EmptySplit, Reason, SplitInfo
from learning.datasets.missing import Filler
from learning.datasets.request import DatasetRequest, Random, WalkForward
from learning.datasets.row import Lost, Row
from learning.datasets.source import Part
from learning.datasets.splits import first_and_end, lay_out
from learning.datasets.tally import Tally

LOOKS_AHEAD = (
    "missing values were interpolated: a row may know a feature of up to the dataset's limit later; look at such rows,"
    " and learn nothing from them that shall be used"
)
BY_LOT = (
    "random splits are for tests only: neighbouring rows stand in different splits and know of each other's targets"
)


class Sorting:
    """Puts each row into the splits that it belongs to. Rows come in the order of time."""

    def __init__(self, request: DatasetRequest, features: tuple[str, ...], about: dict[str, Any], folder: Path) -> None:
        self.request = request
        self.folder = folder
        self.random = isinstance(request.plan, Random)
        schema = schema_of(features, request.target.kind, about)
        splits = lay_out(request.plan, request.embargo)
        self.first, self.end = first_and_end(splits) if splits else (0, 0)
        self.tallies = [
            Tally(
                split,
                SplitFile(folder / f"{split.key}.{request.format}", schema),
                Filler(request.missing, request.limit, features),
                request.symbols,
            )
            for split in splits
        ]
        self.coming = sorted(self.tallies, key=lambda tally: tally.split.start)
        self.open: list[Tally] = []
        self.infos: dict[str, SplitInfo] = {}
        self.empty: list[EmptySplit] = []
        self.skipped: list[dict[str, Any]] = []

    def take(self, row: Row) -> bool:
        """Whether any split keeps the row."""
        while self.coming and self.coming[0].split.start <= row.ts:
            self.open.append(self.coming.pop(0))
        self.open = [tally for tally in self.open if tally.split.end > row.ts]
        kept = [tally.take(row, self.request.horizon) for tally in self.open]
        return any(kept)

    def lose(self, lost: Lost) -> None:
        """Count a moment without a row."""
        for tally in self.tallies:
            if tally.split.start <= lost.ts < tally.split.end:
                tally.lose(lost, self.request.horizon)

    def finish(self) -> dict[str, SplitInfo]:
        """Close all files; what is to be known of the splits that are kept."""
        for tally in self.tallies:
            self.infos[tally.split.key] = tally.info(tally.file.path.relative_to(self.folder).as_posix())
        self._skip_folds()
        for tally in self.tallies:
            if tally.split.key in self.infos:
                self.empty += self._empty(tally)
        return self.infos

    def reasons(self) -> dict[str, int]:
        """Why moments were lost, over all splits."""
        return dict(sorted(sum((tally.lost for tally in self.tallies), Counter()).items()))

    def digest(self) -> str:
        """SHA-256 over the names and digests of all split files."""
        state = sha256()
        for info in self.infos.values():
            state.update(f"{info.file} {info.sha256}\n".encode())
        return state.hexdigest()

    def coverage(self, parts: list[Part]) -> dict[str, dict[str, Any]]:
        """By symbol: the time of the last vector that was looked at, and what became of all moments."""
        newest = {symbol: ts for part in parts for symbol, ts in part.maker.newest.items()}
        return {
            symbol: {
                "newest": newest.get(symbol),
                "moments": sum(tally.moments[symbol] for tally in self.tallies),
                "rows": sum(tally.symbols[symbol] for tally in self.tallies),
                "lost": dict(sorted(sum((tally.gone[symbol] for tally in self.tallies), Counter()).items())),
            }
            for symbol in self.request.symbols
        }

    def notes(self) -> list[str]:
        """What a reader must know of the splits."""
        ahead = [LOOKS_AHEAD] if self.request.missing == "interpolate" else []
        if self.random:
            return [*ahead, BY_LOT]
        if isinstance(self.request.plan, WalkForward) and not self.request.plan.test_days:
            return [*ahead, "the folds have no test period of their own: the last fold's validation may serve as one"]
        return ahead

    def _skip_folds(self) -> None:
        plan = self.request.plan
        if not isinstance(plan, WalkForward):
            return
        for key in [key for key in self.infos if key.endswith("/train")]:
            rows, fold = self.infos[key].rows, key.split("/")[0]
            if rows < plan.min_train_samples:
                self._drop(fold)
                self.skipped.append({"fold": int(fold[5:]), "train_rows": rows, "least": plan.min_train_samples})
                structlog.get_logger().warning("dataset.skipped_fold", dataset=self.request.dataset_id,
                                               **self.skipped[-1])  # fmt: skip

    def _drop(self, fold: str) -> None:
        for key in [key for key in self.infos if key.startswith(f"{fold}/")]:
            info = self.infos.pop(key)
            if info.file:
                (self.folder / info.file).unlink()
        if (folder := self.folder / fold).is_dir():
            folder.rmdir()

    def _empty(self, tally: Tally) -> list[EmptySplit]:
        found = []
        split = tally.split
        for symbol in self.request.symbols:
            if tally.symbols[symbol]:
                continue
            reason = _reason(tally, symbol)
            found.append(EmptySplit(self.request.dataset_id, symbol, split.key, (split.start, split.end), reason))
            structlog.get_logger().warning("dataset.empty_split", **msgspec.to_builtins(found[-1]))
        return found


def _reason(tally: Tally, symbol: str) -> Reason:
    """Why a split has no row of a symbol: no vector at all, only gaps, or too little around it."""
    if not tally.moments[symbol]:
        return "no_data_in_period"
    lost = tally.gone[symbol]
    all_lost = lost.total() == tally.moments[symbol] and "end" not in lost
    return "data_gap" if all_lost else "insufficient_historical_data"
