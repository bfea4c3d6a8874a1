"""Batch models: rows in, a model and how good it is out. Pure: no files, no log, no database.

``train(Request(...))`` gives a ``Trained``, ``evaluate(trained.model, rows)`` an ``Evaluation``, ``walk_forward`` both
for each fold. Heavy libraries are loaded by the first training or the first opened model, not by the import.
"""

from learning.training.evaluation import Decisive, Evaluation, decisive, evaluate
from learning.training.fitted import Fitted, distributions
from learning.training.problems import Cancelled, CannotTrain, TookTooLong
from learning.training.request import Request
from learning.training.rows import Rows, no_rows
from learning.training.search import Trial
from learning.training.train import train
from learning.training.trained import Trained, settings_of
from learning.training.walk_forward import Fold, Walked, WalkForward, walk_forward
from learning.training.watch import Progress, Watch

__all__ = [
    "Cancelled",
    "CannotTrain",
    "Decisive",
    "Evaluation",
    "Fitted",
    "Fold",
    "Progress",
    "Request",
    "Rows",
    "TookTooLong",
    "Trained",
    "Trial",
    "WalkForward",
    "Walked",
    "Watch",
    "decisive",
    "distributions",
    "evaluate",
    "no_rows",
    "settings_of",
    "train",
    "walk_forward",
]
