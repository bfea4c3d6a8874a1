"""Which rows belong to which split."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple

from learning.datasets.request import Plan, Random, TimeBased, WalkForward
from operators.spans import DAY, SECOND

Fate = Literal["kept", "purged", "embargoed"]


class Split(NamedTuple):
    """Rows of [start, end), times in microseconds UTC.

    ``after`` is the end of the embargo. ``lots`` is the part of [0, 1) that a row's lot must fall into, and ``seed``
    what lots are drawn with; None: the time alone decides.
    """

    key: str
    start: int
    end: int
    after: int
    lots: tuple[float, float] | None = None
    seed: int = 0

    def fate(self, ts: int, symbol: str, horizon: int) -> Fate | None:
        """What becomes of a row here; None: it is another split's.

        A row whose target lies behind the end of its split is purged: it would tell of the next one.

        >>> split = Split("train", 0, 100, 10)
        >>> [split.fate(ts, "X", 20) for ts in (5, 10, 80, 81, 100)]
        ['embargoed', 'kept', 'kept', 'purged', None]
        """
        if not self.start <= ts < self.end:
            return None
        if self.lots is not None and not self.lots[0] <= lot(self.seed, symbol, ts) < self.lots[1]:
            return None
        if ts < self.after:
            return "embargoed"
        return "kept" if ts + horizon <= self.end else "purged"


def lot(seed: int, symbol: str, ts: int) -> float:
    """A number of [0, 1) that only these three decide.

    >>> lot(1, "X", 2) == lot(1, "X", 2) != lot(2, "X", 2)
    True
    """
    drawn = blake2b(f"{seed}/{symbol}/{ts}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") / 2**64


def lay_out(plan: Plan, embargo: int) -> list[Split]:
    """The splits of a plan in the order of their folds; ``embargo`` in seconds."""
    if isinstance(plan, TimeBased):
        spans = [(name, span.start, span.end) for name, span in
                 (("train", plan.train), ("validation", plan.validation), ("test", plan.test))]  # fmt: skip
        return list(_in_a_row(spans, embargo))
    if isinstance(plan, Random):
        return list(_by_lot(plan))
    return [split for fold in _folds(plan) for split in _in_a_row(fold, embargo)]


def first_and_end(splits: Sequence[Split]) -> tuple[int, int]:
    """The span of all of them."""
    return min(split.start for split in splits), max(split.end for split in splits)


def _in_a_row(spans: Sequence[tuple[str, int, int]], embargo: int) -> Iterator[Split]:
    before = 0
    for name, start, end in spans:
        yield Split(name, start, end, max(start, before + embargo * SECOND) if before else start)
        before = end


def _by_lot(plan: Random) -> Iterator[Split]:
    limits = (0.0, plan.train, plan.train + plan.validation, 1.0)
    for name, lower, upper in zip(("train", "validation", "test"), limits, limits[1:], strict=False):
        yield Split(name, plan.start, plan.end, plan.start, (lower, upper), plan.seed)


def _folds(plan: WalkForward) -> Iterator[list[tuple[str, int, int]]]:
    train, validation, test, step = (
        round(days * DAY / SECOND) * SECOND
        for days in (plan.train_days, plan.validation_days, plan.test_days, plan.step_days)
    )
    number, start = 0, plan.start
    while (end := start + train + validation + test) <= plan.end:
        fold = [
            (f"fold_{number}/train", start, start + train),
            (f"fold_{number}/validation", start + train, start + train + validation),
        ]
        yield [*fold, (f"fold_{number}/test", end - test, end)] if test else fold
        number, start = number + 1, start + max(step, SECOND)


def is_folded(plan: Plan) -> bool:
    """Whether the splits stand in folds."""
    return isinstance(plan, WalkForward)
