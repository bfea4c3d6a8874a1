"""Training and evaluating fold by fold, each later than the one before (contracts: TK-MS-31)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Literal, NamedTuple

from msgspec.structs import replace

from learning.training.evaluation import Evaluation, evaluate
from learning.training.params import effective, regularised
from learning.training.problems import CannotTrain, TookTooLong
from learning.training.request import Request
from learning.training.rows import Rows
from learning.training.train import train
from learning.training.trained import Trained
from learning.training.watch import Watch
from schemas.learning import Target, Training

REGULARISATION = 1.5
"""How much more a fold is regularised, since it has fewer rows (contracts: settings section 6)."""


@dataclass(frozen=True)
class Fold:
    """Rows to train on, then rows to stop early by and, if there are any, rows to be judged by alone.

    Without ``test`` rows the validation rows are those of both; ``name`` says which fold it is, such as ``fold_0``.
    """

    name: str
    train: Rows
    validation: Rows
    test: Rows | None = None


class Walked(NamedTuple):
    """A fold: the model and how good it was, or why there is none."""

    name: str
    trained: Trained | None
    evaluation: Evaluation
    problem: str = ""


class Spread(NamedTuple):
    """Over the folds; the deviation is the population's."""

    mean: float
    deviation: float
    folds: int


@dataclass(frozen=True)
class WalkForward:
    """All folds in their order, the best of them, and the spread of each figure over those that have it."""

    folds: tuple[Walked, ...]
    best: int
    spread: dict[str, Spread]

    @property
    def chosen(self) -> Walked:
        """The best fold."""
        return self.folds[self.best]


def walk_forward(
    folds: Iterable[Fold],
    features: tuple[str, ...],
    target: Target,
    training: Training,
    *,
    by: Literal["accuracy", "roc_auc"] = "accuracy",
    regularisation: float = REGULARISATION,
    count: int | None = None,
    watch: Watch | None = None,
) -> WalkForward:
    """Train and evaluate every fold; the best has the highest ``by`` (numbers: the lowest error), of equals the latest.

    Folds are taken one by one, so that only one has to be in memory; ``count`` is how many there are, where that is
    known. A fold that cannot be trained is kept with the reason. The time limit is for all of them.

    Raises:
        CannotTrain: when no fold could be trained; TookTooLong after the time limit.
        Cancelled: when the watch says so.
    """
    watch = (watch or Watch()).limited(training.max_seconds)
    params = regularised(training.family, effective(training.family, training.params), regularisation)
    harder = replace(training, params=params)
    walked = []
    for number, fold in enumerate(folds):
        part = watch.part(number, max(count or number + 1, number + 1), "fold")
        walked.append(_walk(fold, features, target, harder, part))
    if not (usable := [number for number, found in enumerate(walked) if found.evaluation.rows]):
        reasons = "; ".join(f"{found.name}: {found.problem or found.evaluation.reason}" for found in walked)
        raise CannotTrain(f"no fold could be trained and evaluated: {reasons or 'there are no folds'}")
    best = max(usable, key=lambda number: (_worth(walked[number].evaluation, by), number))
    return WalkForward(tuple(walked), best, spread([walked[number].evaluation for number in usable]))


def _walk(fold: Fold, features: tuple[str, ...], target: Target, training: Training, watch: Watch) -> Walked:
    judged = fold.validation if fold.test is None else fold.test
    try:
        trained = train(Request(fold.train, fold.validation, features, target, training), watch)
    except TookTooLong:
        raise
    except CannotTrain as problem:
        return Walked(fold.name, None, Evaluation(0, reason="not_trained"), str(problem))
    return Walked(fold.name, trained, evaluate(trained.model, judged))


def _worth(evaluation: Evaluation, by: str) -> float:
    if "mse" in evaluation.figures:
        return -float(evaluation.figures["mse"] or 0.0)
    found = evaluation.figures[by]
    return -1.0 if found is None else found


def spread(evaluations: Sequence[Evaluation]) -> dict[str, Spread]:
    """Mean and deviation of each figure over the evaluations that have it.

    >>> spread([Evaluation(9, {"accuracy": 0.5}), Evaluation(9, {"accuracy": 0.7})])["accuracy"].mean
    0.6
    """
    found: dict[str, Spread] = {}
    for name in dict.fromkeys(name for evaluation in evaluations for name in evaluation.figures):
        values = [value for evaluation in evaluations if (value := evaluation.figures.get(name)) is not None]
        if values:
            found[name] = Spread(fmean(values), pstdev(values), len(values))
    return found
