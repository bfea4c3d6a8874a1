"""XGBoost on one fold, trained as the product trains it."""

import numpy as np

from learning.study.baselines import Forecast, Part
from learning.study.scores import likeliest
from learning.study.settings import Question
from learning.training import Request, distributions, train
from learning.training.rows import Rows
from schemas.learning import Target, Training


def boosted(
    learnt: Part, validation: Part, judged: Part, names: tuple[str, ...], question: Question, training: Training
) -> tuple[Forecast, int]:
    """Trees on ``learnt`` that stop when ``validation`` gets no better; the forecast and how many rounds were kept.

    Single-threaded and seeded: the same rows give the same trees.

    Raises:
        CannotTrain: when no model can come of these rows.
    """
    target = Target(horizon=question.horizon, threshold=question.threshold)
    trained = train(Request(_rows(learnt), _rows(validation), names, target, training))
    found = np.asarray(distributions(trained.model, np.ascontiguousarray(judged.values)), dtype=float)
    return Forecast(likeliest(found), found), trained.rounds


def _rows(part: Part) -> Rows:
    return Rows(np.ascontiguousarray(part.values), part.label.astype(np.int64))
