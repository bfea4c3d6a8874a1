"""Entries: on each feature vector, for each strategy whose turn it is, one decision, and a signal if every gate passes.

``stage`` feeds records in, ``turn`` says when it is a strategy's turn, ``warmup`` and ``predictor`` say what it would
do, and ``gates`` lists, in order, everything that may stop or shrink it.
"""

from operators.decide.predictor import Forecast, Predictor
from operators.decide.stage import DecideStage

__all__ = ["DecideStage", "Forecast", "Predictor"]
