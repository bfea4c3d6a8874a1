"""Datasets: rows of features and what came of them, made from the log, point in time.

``build`` makes one, ``read_split`` and ``matrix`` read it. A row of second t holds what the live flow knew at t, to the
bit, and a target that the log knew at t + horizon.
"""

from learning.datasets.building import build
from learning.datasets.errors import Cancelled, CannotServe, DatasetError, LeakageError
from learning.datasets.metadata import DatasetMetadata, EmptySplit, Progress, SplitInfo, load_metadata
from learning.datasets.reading import matrix, read_split
from learning.datasets.request import DatasetRequest, Random, Span, TimeBased, WalkForward

__all__ = [
    "Cancelled",
    "CannotServe",
    "DatasetError",
    "DatasetMetadata",
    "DatasetRequest",
    "EmptySplit",
    "LeakageError",
    "Progress",
    "Random",
    "Span",
    "SplitInfo",
    "TimeBased",
    "WalkForward",
    "build",
    "load_metadata",
    "matrix",
    "read_split",
]
