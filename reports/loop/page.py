"""The page of a learning loop: one self-contained HTML file, without a network, the same bytes for the same result."""

from collections.abc import Mapping
from typing import Any

from reports.loop.charts import chart, colours, reliability
from reports.template import template

METRICS = (
    ("accuracy", "Accuracy"),
    ("f1_score", "F1"),
    ("precision", "Precision"),
    ("recall", "Recall"),
    ("roc_auc", "ROC-AUC"),
    ("log_loss", "Log-loss"),
    ("brier", "Brier score"),
    ("majority", "Most frequent class"),
)
"""Of a test split, as far as a record has them, and what people call them."""

LABELS = (-1, 0, 1)
"""Of the rows and columns of a record's confusion."""


def page(result: Mapping[str, Any]) -> str:
    """The page of one result (see ``reports.loop.result``)."""
    accuracy = result["accuracy"]
    rules = {"promotion": accuracy["threshold"], "fallback": accuracy["floor"]}
    prices = [(ts, close) for ts, _, _, close in result["price"]]
    profits = {name: list(zip(found["ts"], found["profit"], strict=True)) for name, found in result["equity"].items()}
    return template("loop.html.j2").render(
        result=result,
        facts=result["facts"],
        colours=colours(result),
        prices=chart(result, {"price": prices}, 300, marked=True),
        accuracy=chart(result, accuracy["series"], 260, reach=(0.0, 1.0), rules=rules),
        profits=chart(result, profits, 220),
        models=[{**model, "figures": figures(model), "tested": tested(model)} for model in result["models"]],
        reliability=reliability,
    )


def figures(model: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The metrics of a version's test split that are numbers, under their usual names."""
    test = model["metrics"].get("test", {})
    return [(label, test[name]) for name, label in METRICS if isinstance(test.get(name), int | float)]


def tested(model: Mapping[str, Any]) -> tuple[list[int], list[list[int]]] | None:
    """The labels that occurred in the test split or in what was said of it, and their confusion (rows: what was)."""
    rows = model["metrics"].get("test", {}).get("confusion")
    if not rows:
        return None
    seen = [place for place in range(len(LABELS)) if any(rows[place]) or any(row[place] for row in rows)]
    return [LABELS[place] for place in seen], [[rows[truth][said] for said in seen] for truth in seen]
