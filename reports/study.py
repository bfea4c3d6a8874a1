"""The page of a study: can the direction be foretold, by what, and how sure is that?"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reports.chart import LEFT, RIGHT, WIDTH, Label, Scale, value_labels
from reports.template import number, template

TESTED = {
    "accuracy": "Accuracy less that of the majority class",
    "direction_auc": "Up or down: AUC among the rows that moved, less one half",
}
ROW = 26
"""Pixels of a line of the chart."""
MODELS = {
    "majority": "majority class",
    "last_direction": "last direction",
    "logistic_regression": "logistic regression",
    "xgboost": "XGBoost",
    "river": "River, online",
}
METRICS = (
    ("accuracy", "Accuracy", 4),
    ("balanced_accuracy", "Balanced accuracy", 4),
    ("log_loss", "Log-loss", 4),
    ("roc_auc", "ROC-AUC", 4),
    ("direction_auc", "Up or down AUC", 4),
    ("edge_bps", "Edge, bps", 2),
    ("calls", "Calls", 3),
)
"""Name, head and digits."""


class Line(NamedTuple):
    """A difference with its interval, in pixels; ``y`` is its middle."""

    name: str
    low: float
    mean: float
    high: float
    y: float
    sure: bool


class Forest(NamedTuple):
    """Differences from the majority class; ``zero`` is where there is none."""

    height: int
    zero: float
    labels: list[Label]
    lines: list[Line]


def study_page(result: Mapping[str, Any]) -> str:
    """The page of a result of ``lockstep study``."""
    return template("study.html.j2").render(
        studies=result["studies"],
        tests=by_place(result["tests"]),
        level=result["level"],
        count=len(result["tests"]),
        forests=[
            (title, forest([test for test in result["tests"] if test["metric"] == metric], result["level"]))
            for metric, title in TESTED.items()
        ],
        models=MODELS,
        metrics=METRICS,
        spread=spread,
        verdict=lambda test: verdict(test, result["level"]),
    )


def by_place(tests: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, int, str], Mapping[str, Any]]:
    """Tests by metric, file, horizon and model."""
    return {(test["metric"], test["file"], test["horizon"], test["model"]): test for test in tests}


def verdict(test: Mapping[str, Any], level: float) -> str:
    """What a test says, in words.

    >>> verdict({"mean": 0.01, "p_holm": 0.2}, 0.95), verdict({"mean": -0.01, "p_holm": 0.01}, 0.95)
    ('no difference shown', 'worse')
    """
    if test["p_holm"] is None or test["p_holm"] >= 1 - level:
        return "no difference shown"
    return "better" if test["mean"] > 0 else "worse"


def spread(summary: Mapping[str, float | None], digits: int) -> str:
    """A mean and its deviation.

    >>> spread({"mean": 0.5, "std": 0.012}, 2), spread({"mean": None, "std": None}, 2)
    ('0.50 ± 0.01', '–')
    """
    mean, deviation = summary["mean"], summary["std"]
    text = number(mean, digits)
    return text if deviation is None else f"{text} ± {number(deviation, digits)}"


def forest(tests: Sequence[Mapping[str, Any]], level: float) -> Forest:
    """A chart of tests: one line each, in hundredths."""
    known = [test for test in tests if test["low"] is not None]
    ends = [100 * test[end] for test in known for end in ("low", "high")] or [-1.0, 1.0]
    x = Scale(min(*ends, 0.0), max(*ends, 0.0), LEFT * 3, WIDTH - RIGHT)
    lines = [
        Line(
            f"{test['symbol']} {test['horizon'] // 60} min, {MODELS[test['model']]}",
            x(100 * test["low"]),
            x(100 * test["mean"]),
            x(100 * test["high"]),
            ROW * (place + 0.5),
            verdict(test, level) != "no difference shown",
        )
        for place, test in enumerate(known)
    ]
    return Forest(ROW * len(lines) + 24, x(0.0), value_labels(x, 8), lines)
