"""What is wrong with rows before anything is learnt from them (contracts: TK-MS-35, TK-MS-36, TK-FS-27, TK-FS-28)."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from learning.training.classes import counts_of
from learning.training.problems import CannotTrain
from learning.training.request import Request
from learning.training.rows import Matrix, Rows, Vector

CHUNK = 16_384
"""Rows looked at in one go, so that no second matrix is ever in memory."""
MISSING = 0.05
"""The share of unknown values of a feature from which it is mentioned."""
ALIKE, TOO_ALIKE = 0.90, 0.95
"""The share of one class from which it is mentioned, and from which a model would learn to say nothing else."""
RARE, FEW = 0.01, 10
"""The share and the number of rows of a class below which it is mentioned."""
SHIFT = 0.2
"""How far the share of a class may differ between the splits."""
KNOWING = 0.95
"""The correlation with the target from which a feature is suspected to know the future."""
SAMPLE = 20_000
"""Rows at most, evenly spaced, that are looked at for that."""
FACTOR = 0x9E3779B97F4A7C15
"""An odd number whose bits are well mixed (Fibonacci hashing, Knuth 6.4); its powers are odd as well."""


class Columns:
    """What there is to know of each feature, from one pass over the rows."""

    def __init__(self, rows: Matrix) -> None:
        width = rows.shape[1]
        self.unknown = np.zeros(width, dtype=np.int64)
        self.least, self.most = np.full(width, np.inf), np.full(width, -np.inf)
        self.marks: npt.NDArray[np.uint64] = np.empty(len(rows), dtype=np.uint64)
        factors: npt.NDArray[np.uint64] = np.array([pow(FACTOR, k + 1, 2**64) for k in range(width)], dtype=np.uint64)
        for begin, chunk in _chunks(rows):
            self.unknown += np.isnan(chunk).sum(axis=0)
            self.least = np.fmin(self.least, np.fmin.reduce(chunk, axis=0))
            self.most = np.fmax(self.most, np.fmax.reduce(chunk, axis=0))
            self.marks[begin : begin + len(chunk)] = _marks(chunk, factors)

    def duplicates(self) -> int:
        """How many rows have the features of another one, as far as 64 bits of each tell."""
        return len(self.marks) - len(np.unique(self.marks))


def _chunks(rows: Matrix) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    for begin in range(0, len(rows), CHUNK):
        yield begin, np.ascontiguousarray(rows[begin : begin + CHUNK], dtype=np.float64)


def _marks(chunk: npt.NDArray[np.float64], factors: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A number for each row, the same for the same values."""
    bits = chunk.view(np.uint64)
    mixed: npt.NDArray[np.uint64] = ((bits ^ (bits >> np.uint64(32))) * factors).sum(axis=1, dtype=np.uint64)
    return mixed


def check(request: Request) -> list[str]:
    """What is worth to be known of the rows of a training.

    Raises:
        CannotTrain: where no model could come of them.
    """
    _check_enough(request)
    notes = _features(request.train, request.features)
    if request.validation.count:
        _refuse_infinite(Columns(request.validation.features), request.features, "validation")
    else:
        notes.append("the validation split is empty: no early stopping, and no search")
    for split, rows in (("train", request.train), ("validation", request.validation)):
        if not np.isfinite(rows.targets).all():
            missing = int(np.count_nonzero(~np.isfinite(rows.targets)))
            raise CannotTrain(f"{missing} rows of the {split} split have no target: leave them out of the dataset")
    notes += _knowing(request.train, request.features)
    if request.classifies:
        return notes + _classes(request)
    if np.ptp(request.train.targets) == 0:
        raise CannotTrain(f"every target of the train split is {request.train.targets[0]:g}: there is nothing to learn")
    return notes


def _check_enough(request: Request) -> None:
    least, found = request.training.min_rows, request.train.count
    if found < max(least, 1):
        raise CannotTrain(
            f"the train split has {found} rows and learning.training.min_rows asks for {least}: train on more days,"
            " with a smaller learning.training.every, or wait for more of the log"
        )


def _refuse_infinite(columns: Columns, names: Sequence[str], split: str) -> None:
    """After the last look at a column: an infinite value is one of its bounds."""
    bounds = np.isinf(columns.least) | np.isinf(columns.most)
    known = columns.unknown < len(columns.marks)
    if found := _named(bounds & known, names):
        raise CannotTrain(f"infinite values in the {split} split: {found}; leave the features out, or mend them")


def _features(rows: Rows, names: Sequence[str]) -> list[str]:
    columns = Columns(rows.features)
    _refuse_infinite(columns, names, "train")
    never = columns.unknown == rows.count
    if never.all():
        raise CannotTrain("no feature of the train split has any value: the look-backs are not covered yet")
    share = columns.unknown / rows.count
    notes = []
    for what, where in (
        ("never known", never),
        (f"unknown in more than {MISSING:.0%} of the rows", (share > MISSING) & ~never),
        ("constant", (columns.least == columns.most) & ~never),
    ):
        if found := _named(where, names):
            notes.append(f"features {what}: {found}")
    if duplicates := columns.duplicates():
        notes.append(f"{duplicates} rows of {rows.count} have the features of another row")
    return notes


def _knowing(rows: Rows, names: Sequence[str]) -> list[str]:
    """No market tells that much of the next minute: such a feature is a leak, or the target is no question."""
    step = -(-rows.count // SAMPLE)
    sample, targets = rows.features[::step].astype(np.float64), rows.targets[::step]
    found = _named(np.array([abs(_correlation(column, targets)) > KNOWING for column in sample.T]), names)
    return [f"features that nearly are the target, as if they knew the future: {found}"] if found else []


def _correlation(column: npt.NDArray[np.float64], targets: Vector) -> float:
    """Pearson's, over the rows where the feature is known; 0 where one of both does not vary."""
    known = ~np.isnan(column)
    x, y = column[known], targets[known].astype(np.float64)
    if len(x) < FEW or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _named(where: npt.NDArray[np.bool_], names: Sequence[str]) -> str:
    return ", ".join(name for name, found in zip(names, where, strict=True) if found)


def _classes(request: Request) -> list[str]:
    for split, rows in (("train", request.train), ("validation", request.validation)):
        if sum(counts_of(rows.targets).values()) != rows.count:
            raise CannotTrain(f"the {split} split has targets other than -1, 0 and 1")
    counts, total = counts_of(request.train.targets), request.train.count
    notes = []
    for name, count in counts.items():
        share = count / total
        if share > TOO_ALIKE or len(counts) == 1:
            raise CannotTrain(
                f"{share:.1%} of the rows of the train split are of class {name} (at most {TOO_ALIKE:.0%} may be):"
                " choose another learning.target.threshold or horizon, or train on more days"
            )
        if share > ALIKE:
            notes.append(f"{share:.1%} of the rows are of class {name}")
        if share < RARE or count < FEW:
            notes.append(f"class {name} has only {count} rows ({share:.2%})")
    return notes + _shifts(counts, counts_of(request.validation.targets))


def _shifts(train: dict[int, int], validation: dict[int, int]) -> list[str]:
    """Classes that are much rarer or more frequent later on."""
    notes = []
    for name in sorted(train | validation) if validation else ():
        before = train.get(name, 0) / sum(train.values())
        after = validation.get(name, 0) / sum(validation.values())
        if abs(before - after) > SHIFT:
            notes.append(f"class {name}: {before:.1%} of the train split, {after:.1%} of the validation split")
        if not before and after:
            notes.append(f"class {name} is in the validation split only: the model will never foretell it")
    return notes
