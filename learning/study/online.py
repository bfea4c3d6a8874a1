"""River over the rows of a study, as the flow runs it: predict first, learn when the horizon has passed."""

import numpy as np

from learning.study.baselines import Forecast
from learning.study.rows import Rows
from learning.study.scores import likeliest
from learning.study.target import UNKNOWN
from operators.online.learner import Learner
from operators.spans import SECOND
from schemas.learning import Online

NOTHING = (1 / 3, 1 / 3, 1 / 3)
"""What is said before anything was learnt."""


def progressive(rows: Rows, label: np.ndarray, horizon: int, settings: Online) -> Forecast:
    """Predictions for all ``rows``, each from what had matured by then; ``horizon`` in seconds.

    One pipeline goes through all of them, so it has learnt from everything before each fold's test rows.
    """
    learner = Learner(settings, dict.fromkeys(rows.names, ""))
    found = np.empty((len(rows), 3))
    values = [[None if value != value else value for value in row] for row in rows.values.tolist()]
    ripe = (rows.ts + horizon * SECOND).tolist()
    waiting = 0
    for place, ts in enumerate(rows.ts.tolist()):
        while ripe[waiting] <= ts:
            if label[waiting] != UNKNOWN:
                learner.learn(values[waiting], int(label[waiting]))
            waiting += 1
        found[place] = learner.probabilities(dict(zip(rows.names, values[place], strict=True))) or NOTHING
    return Forecast(likeliest(found), found)
