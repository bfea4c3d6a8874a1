"""A candidate's trial: what a strategy would have earned with it, with the champion, in warm-up, and by just holding.

Each variant is a backtest of the same range of the log, so the paper exchange, the fees and the exits are the same: the
model in force is the only difference. Buying and holding is worked out from the prices that such a backtest saw.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import msgspec
import structlog

from connectors.log import Log
from dataflows.asking import Question, ask
from dataflows.backtest import Request, backtest
from dataflows.findings import findings, material_of
from dataflows.positions import Place
from operators.features.featureset import FeatureSet
from operators.online.models import Models, Unusable
from operators.spans import DAY
from operators.trading.stage import InForce
from reports.holding import buy_and_hold
from schemas.account import AccountConfigured
from schemas.model import ONLINE
from schemas.strategy import Strategy

Metrics = dict[str, float | int | None]
"""By the names of table ``model_quality_metrics``: ``win_rate`` a share of 0..1, ``total_pnl``, ``avg_pnl`` (of a
closed round trip) and ``max_drawdown`` in quote currency after costs, ``sharpe_ratio`` annualised, ``profit_factor``;
``trades`` is the number of closed round trips. None: not known, such as a win rate without a trade."""

CANDIDATE, CHAMPION, WARMUP, HOLDING = "candidate", "champion", "warmup", "buy_and_hold"
LONGEST = DAY
"""Microseconds of a range that are tried at most, the newest ones: a training must not wait for a month's replay."""
ACCOUNT = AccountConfigured(recv=1, kind="paper")
"""In force where the log has none."""


def trial(
    log: Log,
    shards: int,
    features: FeatureSet,
    strategy: Strategy,
    candidate: InForce,
    champion: InForce | None,
    first: int,
    last: int,
    models: Models,
    folder: Path,
    longest: int = LONGEST,
) -> dict[str, Metrics]:
    """Trading metrics of ``strategy`` over the events received in [first, last), by variant.

    The variants are ``candidate``, ``champion`` (only where there is one), ``warmup`` and ``buy_and_hold``. The
    strategy trades alone, enabled, on paper, with the terms of the log's account; whatever models and registries the
    log itself activates do not count. The same arguments on the same log give the same figures. The version
    ``online`` begins untaught at ``first``.

    Args:
        log: where the events are, on ``shards`` shards.
        features: of the registry that the models look at.
        first, last: microseconds UTC; of more than ``longest`` only the newest part is tried.
        models: finds the files of both models; a champion that cannot be used is left out, with a warning.
        folder: takes the backtests; one that was interrupted goes on.

    Raises:
        Unusable: when the candidate cannot be used.
        NothingToTest: when the range has no events.
    """
    if last - first > longest:
        structlog.get_logger().info("trial.shortened", strategy=strategy.strategy, wanted=last - first, tried=longest)
        first = last - longest
    found: dict[str, Metrics] = {}
    for name, model in _variants(candidate, champion, models).items():
        request = ask(log, shards, features, "", _question(strategy, model, first, last))
        own = backtest(log, request, features, _made(folder / f"{name}-{request.id}"), models=models)
        try:
            result = findings(own, request)
            found[name] = figures(result["metrics"], [trip["net"] for trip in result["trips"] if trip["closed"]])
            if name == WARMUP:
                found[HOLDING] = _holding(own, request)
        finally:
            own.close()
    return found


def figures(metrics: Mapping[str, float | None], nets: list[float]) -> Metrics:
    """What a backtest's figures (``reports.catalogue``) are called in the registry of models.

    >>> figures({"win_rate": 50.0, "profit": -1.0, "sharpe": None, "profit_factor": 0.5, "max_drawdown": 2.0}, [1, -2])
    {'win_rate': 0.5, 'total_pnl': -1.0, 'avg_pnl': -0.5, 'sharpe_ratio': None, 'profit_factor': 0.5,
     'max_drawdown': 2.0, 'trades': 2}
    """
    wins = metrics["win_rate"]
    return {
        "win_rate": None if wins is None else wins / 100,
        "total_pnl": metrics["profit"],
        "avg_pnl": fmean(nets) if nets else None,
        "sharpe_ratio": metrics["sharpe"],
        "profit_factor": metrics["profit_factor"],
        "max_drawdown": metrics["max_drawdown"],
        "trades": len(nets),
    }


def as_tried(strategy: Strategy, model: InForce | None) -> Strategy:
    """The strategy as it is tried: enabled, with the model or in warm-up; River only learns where it is the model."""
    replace = msgspec.structs.replace
    learning = strategy.learning
    online = replace(learning.online, enabled=model is not None and model.version == ONLINE)
    mode: Literal["warmup", "auto"] = "warmup" if model is None else "auto"
    return replace(strategy, enabled=True, mode=mode, learning=replace(learning, online=online))


def _question(strategy: Strategy, model: InForce | None, first: int, last: int) -> Question:
    tried = as_tried(strategy, model)
    models = {strategy.strategy: model}
    return Question(_at(first), _at(last), [tried], frozenset(), tuple, ACCOUNT, "trial", models, own_registry=True)


def _at(time: int) -> Place:
    return lambda log, topic, shard: log.offset_at(topic, shard, time)


def _variants(candidate: InForce, champion: InForce | None, models: Models) -> dict[str, InForce | None]:
    """What is tried, by name; None: warm-up."""
    if candidate.version != ONLINE:
        models.open(*candidate)
    found: dict[str, InForce | None] = {CANDIDATE: candidate}
    if champion is not None:
        try:
            if champion.version != ONLINE:
                models.open(*champion)
            found[CHAMPION] = champion
        except Unusable as problem:
            structlog.get_logger().warning("trial.no_champion", model=champion.version, reason=str(problem))
    return found | {WARMUP: None}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _holding(own: Log, request: Request) -> Metrics:
    table: dict[str, Any] = buy_and_hold(material_of(own, request), request.account.taker_fee).values
    trips = int(table["trips"])
    return figures(table, [(table["realised"] - table["fees"]) / trips] * trips)
