"""One training: rows in, a model out. Nothing else is read or written."""

from typing import Protocol

from learning.training.boosting import Boosting
from learning.training.checks import check
from learning.training.estimators import Estimating
from learning.training.evaluation import evaluate
from learning.training.fitted import Fitted
from learning.training.params import Params, effective
from learning.training.request import Request
from learning.training.search import Trial, candidates
from learning.training.trained import Trained
from learning.training.watch import Watch


class Trainer(Protocol):
    """A family, with the rows of a request as it wants them."""

    weights: dict[int, float]

    def fit(self, params: Params, watch: Watch) -> Fitted:
        """One training with these hyper-parameters."""
        ...


def train(request: Request, watch: Watch | None = None) -> Trained:
    """Check the rows, search hyper-parameters if that is wanted, and train.

    The same request gives the same bytes, in every process.

    Raises:
        CannotTrain: where no model can come of these rows or settings; TookTooLong after the time limit.
        Cancelled: when the watch says so.
    """
    training = request.training
    params = effective(training.family, training.params)
    watch = (watch or Watch()).limited(training.max_seconds)
    watch.step("checking", 0, 1)
    notes = check(request)
    trainer = _trainer(request, params)
    wanted = [params]
    if training.search != "none" and request.validation.count:
        wanted = candidates(training.family, training.search, params, training.params, training.trials, training.seed)
    model, best, trials = _best(trainer, request, wanted, watch)
    return Trained(
        model=model,
        target=request.target,
        training=training,
        params=best,
        rounds=model.rounds,
        weights=trainer.weights,
        trials=tuple(trials),
        notes=(*notes, *_unfinished(model, best)),
        content=model.content(),
    )


def _trainer(request: Request, params: Params) -> Trainer:
    if request.training.family == "xgboost":
        return Boosting(request, int(params["max_bin"]))
    return Estimating(request)


def _best(trainer: Trainer, request: Request, wanted: list[Params], watch: Watch) -> tuple[Fitted, Params, list[Trial]]:
    """The model with the highest score; of equal ones the first."""
    if len(wanted) == 1:
        return trainer.fit(wanted[0], watch), wanted[0], []
    kept: Fitted | None = None
    trials: list[Trial] = []
    for number, params in enumerate(wanted):
        model = trainer.fit(params, watch.part(number, len(wanted), "trial"))
        score = _score(model, request)
        if kept is None or score > max(trial.score for trial in trials):
            kept, chosen = model, params
        trials.append(Trial(params, model.rounds, score))
    assert kept is not None
    return kept, chosen, trials


def _score(model: Fitted, request: Request) -> float:
    """F1 on the validation split; of numbers the mean squared error, negative."""
    figures = evaluate(model, request.validation).figures
    return float(figures["f1_score"] or 0.0) if model.classes else -float(figures["mse"] or 0.0)


def _unfinished(model: Fitted, params: Params) -> list[str]:
    if model.family != "logistic_regression" or model.rounds < int(params["max_iter"]):
        return []
    return [f"the fit had not converged after {model.rounds} iterations: learning.training.params.max_iter"]
