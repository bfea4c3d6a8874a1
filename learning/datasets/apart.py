"""Whether splits keep their distance."""

from collections.abc import Iterator, Sequence

from learning.datasets.errors import LeakageError
from learning.datasets.metadata import SplitInfo


def ensure_apart(splits: Sequence[tuple[str, SplitInfo]], horizon: int) -> None:
    """Every row of a split, with its horizon, lies before every row of the next one.

    Raises:
        LeakageError: when one does not.
    """
    for (before, one), (after, other) in _neighbours(splits):
        if one.last is not None and other.first is not None and one.last + horizon > other.first:
            raise LeakageError(
                f"leak: the newest target of {before} is of {one.last + horizon}, and {after} begins at {other.first}"
            )


def _neighbours(
    splits: Sequence[tuple[str, SplitInfo]],
) -> Iterator[tuple[tuple[str, SplitInfo], tuple[str, SplitInfo]]]:
    for place, one in enumerate(splits):
        for other in splits[place + 1 :]:
            if one[0].rpartition("/")[0] == other[0].rpartition("/")[0]:
                yield one, other
