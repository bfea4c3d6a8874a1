"""What is known of a dataset: ``metadata.json``, the same for the same request on the same log."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from learning.datasets.request import DatasetRequest
from schemas.model import Period

FILE = "metadata.json"
BUILD = "build.json"
"""How the build went: times and memory differ from one build to the next, so they stand apart."""
Reason = Literal["no_data_in_period", "data_gap", "insufficient_historical_data"]


class Progress(NamedTuple):
    """How far a build is: ``done`` of ``total`` messages in this ``phase``, ``rows`` written so far."""

    phase: Literal["rows", "check"]
    done: int
    total: int
    rows: int


class EmptySplit(msgspec.Struct, frozen=True):
    """A split without a row of a symbol, which is no error. ``period`` is [start, end) in microseconds UTC."""

    dataset_id: str
    symbol: str
    split: str
    period: tuple[int, int]
    reason: Reason


class SplitInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One split. ``first`` and ``last`` are the times of its rows (None: it has none), ``symbols`` rows by symbol.

    ``purged`` rows had a target from behind the end of the split, ``embargoed`` ones stood too close to the split
    before, ``skipped`` ones lacked a feature; ``missing`` counts values by feature that the rows lacked, those of
    skipped rows included, and ``filled`` those of them that were filled in. ``lost`` says for how many moments the log
    knows no target, and why. ``sha256`` is of ``file``, relative to the dataset's folder; both are empty where there
    are no rows.
    """

    start: int
    end: int
    rows: int
    first: int | None = None
    last: int | None = None
    purged: int = 0
    embargoed: int = 0
    skipped: int = 0
    lost: dict[str, int] = {}
    filled: dict[str, int] = {}
    symbols: dict[str, int] = {}
    file: str = ""
    sha256: str = ""
    target: dict[str, Any] = {}
    missing: dict[str, int] = {}

    @property
    def period(self) -> Period:
        """As models and the API know it."""
        return Period(self.start, self.end, self.rows)


class DatasetMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a dataset says of itself.

    ``splits`` are by name, ``train`` or ``fold_<i>/train``. ``features`` are its columns between ``symbol`` and
    ``target``. ``registry_digest`` is of the registry's content, ``code`` of the sources that made the rows, ``digest``
    of all split files. ``offsets`` are [from, to) of ``events`` per shard, as texts. ``coverage`` is by symbol.
    ``backfill`` says what was fetched for it, or why nothing was, and which spans of it were not heard live.
    ``look_ahead`` is true where features were filled in with what came later: nothing that is learnt from such rows is
    worth anything at the time.
    """

    request: DatasetRequest
    dataset_id: str
    symbols: tuple[str, ...]
    features: tuple[str, ...]
    feature_registry_version: str
    registry_digest: str
    splits: dict[str, SplitInfo]
    offsets: dict[str, tuple[int, int]]
    code: str
    digest: str
    empty_splits: list[EmptySplit] = []
    skipped_folds: list[dict[str, Any]] = []
    coverage: dict[str, dict[str, Any]] = {}
    quality: dict[str, Any] = {}
    leakage: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    backfill: dict[str, Any] = {}
    look_ahead: bool = False

    def split(self, name: str, fold: int | None = None) -> SplitInfo:
        """One split; ``fold`` of a walk-forward dataset.

        Raises:
            KeyError: when there is none of this name; the message lists them.
        """
        key = name if fold is None else f"fold_{fold}/{name}"
        if key not in self.splits:
            raise KeyError(f"the dataset has no split {key!r}, but {', '.join(self.splits)}")
        return self.splits[key]

    @property
    def folds(self) -> list[int]:
        """The folds that were kept."""
        return sorted({int(key.split("/")[0][5:]) for key in self.splits if "/" in key})

    @property
    def empty_test(self) -> bool:
        """Whether a test split that was asked for has no rows."""
        return any(info.rows == 0 for key, info in self.splits.items() if key.split("/")[-1] == "test")


def save_metadata(metadata: DatasetMetadata, folder: Path) -> None:
    """Write ``metadata.json``."""
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(metadata), indent=1))


def load_metadata(folder: Path) -> DatasetMetadata:
    """What ``build`` said of the dataset in ``folder``.

    Raises:
        FileNotFoundError: when there is none.
    """
    return msgspec.json.decode((folder / FILE).read_bytes(), type=DatasetMetadata)
