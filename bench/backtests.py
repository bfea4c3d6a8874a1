"""How fast a backtest is: a session through the trading engine with three strategies, state and results kept."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.sessions import SHARDS, market_seconds
from bench.strategies import paper, strategies
from connectors.log import Log
from dataflows.asking import Question, ask
from dataflows.backtest import backtest
from dataflows.positions import parse_place
from operators.features.featureset import FeatureSet


def measure(log: Log, features: FeatureSet, symbols: Sequence[str]) -> tuple[float, float]:
    """Events a second, and seconds of market a second."""
    first, last = parse_place("beginning"), parse_place("end")
    question = Question(first, last, strategies(3, symbols), frozenset(), list, paper(), "bench")
    request = ask(log, SHARDS, features, "bench", question)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        backtest(log, request, features, Path(folder)).close()
        seconds = time.perf_counter() - begin
    return sum(found.stop for found in request.ranges) / seconds, market_seconds(log) / seconds
