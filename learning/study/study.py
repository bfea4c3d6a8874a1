"""A study from its files to its result, as plain data."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from learning.study.bars import Bars, Rates, read_bars, read_rates
from learning.study.baselines import BASELINES, Forecast, Part
from learning.study.boosting import boosted
from learning.study.compare import holm, interval, paired
from learning.study.folds import Fold, Span, folds
from learning.study.leakage import Builder, prove, prove_folds, prove_targets
from learning.study.online import progressive
from learning.study.rows import LEVELS, Chosen, Rows, build_rows, choose
from learning.study.scores import METRICS, Scores, scores
from learning.study.settings import Question, Settings
from learning.study.target import UNKNOWN, Targets, targets
from operators.candles import KEEP
from operators.registry import Registry
from operators.spans import SECOND

FORM = 1
"""Of the result. Raised when a field changes its meaning."""
MODELS = (*BASELINES, "xgboost", "river")
TESTED = ("accuracy", "direction_auc")
"""Is a model more often right, and does it know up from down? The size of moves alone helps with the first."""
MARGIN = 50
"""Bars that a proof reads beyond those that the features need."""
Say = Callable[[str], None]
Changed = Callable[[Bars, Rows], Rows]


def study(
    path: Path,
    rates: Path | None,
    registry: Registry,
    settings: Settings,
    say: Say = lambda line: None,
    changed: Changed | None = None,
) -> dict[str, Any]:
    """The walk-forward over one file of bars, with ``rates`` of its funding if they are known.

    Args:
        path: of the bars (``learning.study.bars``).
        rates: a file of funding rates.
        registry: whose features of candles, calendar and funding are looked at.
        settings: fixed before anything is seen.
        say: told what is done now, for people.
        changed: adds to the rows, for instance a leak that must be found.

    Returns:
        Everything that was found, as plain data: the same for the same files and settings.

    Raises:
        RecordingError: when a file cannot be used.
        Leakage: when a row knows its future.
        ValueError: when there are too few bars, or a horizon is no whole number of them.
    """
    bars, paid = read_bars(path), read_rates(rates) if rates else []
    chosen = choose(registry, funding=bool(paid))

    def build(part: Bars, until: Rates) -> Rows:
        rows = build_rows(part, until, chosen)
        return rows if changed is None else changed(part, rows)

    say(f"{path.name}: {len(bars):,} bars")
    with threadpool_limits(1):  # sums must not depend on how many cores share them, and small ones are slower shared
        found = examined(bars, paid, chosen, settings, build, say)
    return found | {
        "file": path.name,
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "funding": rates.name if rates else None,
        "registry": registry.version,
        "settings": plain(settings),
    }


def examined(bars: Bars, paid: Rates, chosen: Chosen, settings: Settings, build: Builder, say: Say) -> dict[str, Any]:
    """As ``study``, of bars in memory and rows that ``build`` makes."""
    rows = build(bars, paid)
    if not len(rows):
        raise ValueError(f"{bars.symbol}: {len(bars)} bars are too few, features need {chosen.need} without a hole")
    say(f"{bars.symbol}: {len(rows):,} rows of {len(rows.names)} features; proving that none knows the future")
    proved = prove(bars, paid, rows, build, min(KEEP, chosen.need + MARGIN), settings.cuts)
    found = [answered(bars, rows, question, settings, say) for question in settings.questions]
    return {
        "form": FORM,
        "symbol": bars.symbol,
        "interval": bars.interval // SECOND,
        "bars": len(bars),
        "holes": int(np.count_nonzero(np.diff(bars.start) != bars.interval)),
        "begins": int(bars.start[0]),
        "ends": int(bars.end[-1]),
        "rows": len(rows),
        "features": list(rows.names),
        "left_out": sorted(LEVELS),
        "proved": proved,
        "questions": found,
    }


def answered(bars: Bars, rows: Rows, question: Question, settings: Settings, say: Say) -> dict[str, Any]:
    """All folds of one question, by every model."""
    say(f"{bars.symbol}: {question.horizon} s ahead")
    found = targets(bars, rows, question)
    known = found.label != UNKNOWN
    cut = folds(rows.ts, known, question.horizon, settings)
    proved = prove_targets(bars, rows, found, question.horizon), prove_folds(rows.ts, cut, question.horizon)
    streamed = progressive(rows, found.label, question.horizon, settings.online)
    rounds: list[int] = []
    table: dict[str, list[Scores]] = {name: [] for name in MODELS}
    for number, fold in enumerate(cut):
        say(f"{bars.symbol}: {question.horizon} s ahead, fold {number + 1} of {len(cut)}")
        forecasts, kept = _forecasts(rows, found, fold, streamed, question, settings)
        rounds.append(kept)
        judged = fold.test.rows
        for name, forecast in forecasts.items():
            table[name].append(scores(found.label[judged], found.change[judged], *forecast))
    return {
        "horizon": question.horizon,
        "threshold": question.threshold,
        "shares": shares(found.label[known]),
        "targets": proved[0],
        "folds": [
            {name: _told(span, rows.ts, found.label) for name, span in fold._asdict().items()} | {"rounds": kept}
            for fold, kept in zip(cut, rounds, strict=True)
        ],
        "models": _summaries(table, cut, settings),
    }


def plain(value: Any) -> Any:
    """Settings as plain data, defaults included.

    ``msgspec`` would leave out those that are the very objects of their declaration, which after a journey between two
    processes they no longer are.
    """
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    return [plain(part) for part in value] if isinstance(value, tuple) else value


def shares(label: np.ndarray) -> dict[str, float]:
    """How often each class occurs.

    >>> shares(np.array([1, 0, 0, -1]))
    {'down': 0.25, 'flat': 0.5, 'up': 0.25}
    """
    return {name: float(np.mean(label == one)) for name, one in (("down", -1), ("flat", 0), ("up", 1))}


def corrected(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All tests against the majority class, of all files and of each of ``TESTED``, with p values that know of each
    other."""
    tests = [
        {
            "metric": metric,
            "file": found["file"],
            "symbol": found["symbol"],
            "horizon": question["horizon"],
            "model": name,
            **question["models"][name]["against_majority"][metric],
        }
        for metric in TESTED
        for found in results
        for question in found["questions"]
        for name in MODELS[1:]
    ]
    raised = holm([test["p"] for test in tests])
    return [test | {"p_holm": p} for test, p in zip(tests, raised, strict=True)]


def _forecasts(
    rows: Rows, found: Targets, fold: Fold, streamed: Forecast, question: Question, settings: Settings
) -> tuple[dict[str, Forecast], int]:
    """What each model says of a fold's test rows. Who needs no validation rows learns from them, too."""
    train, validation, judged = (_part(rows, found, span.rows) for span in fold)
    both = Part(*(np.concatenate(columns) for columns in zip(train, validation, strict=True)))
    trees, rounds = boosted(train, validation, judged, rows.names, question, settings.training)
    forecasts = {name: baseline(both, judged) for name, baseline in BASELINES.items()} | {
        "xgboost": trees,
        "river": Forecast(streamed.predicted[fold.test.rows], streamed.probabilities[fold.test.rows]),
    }
    return forecasts, rounds


def _part(rows: Rows, found: Targets, places: np.ndarray) -> Part:
    if not len(places):
        raise ValueError("a split of a fold has no rows: the file is too short for so many units")
    return Part(rows.values[places], found.label[places], found.last[places])


def _told(span: Span, ts: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    times = ts[span.rows]
    first, last = int(times[0]), int(times[-1])
    return {"first": first, "last": last, "rows": len(times), "shares": shares(label[span.rows])}


def _summaries(table: Mapping[str, list[Scores]], cut: Sequence[Fold], settings: Settings) -> dict[str, Any]:
    """By model: the figures of each fold, their mean and spread, and how they differ from the majority's."""
    overlap = float(np.mean([len(fold.test.rows) / (len(fold.train.rows) + len(fold.validation.rows)) for fold in cut]))
    columns = {name: {metric: [fold[metric] for fold in found] for metric in METRICS} for name, found in table.items()}
    return {
        name: {
            "folds": found,
            "summary": {metric: interval(column[metric], overlap, settings.level) for metric in METRICS},
            "against_majority": {
                metric: paired(column[metric], columns["majority"][metric], overlap, settings.level)
                for metric in ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "direction_auc")
            },
        }
        for (name, found), column in zip(table.items(), columns.values(), strict=True)
    }
