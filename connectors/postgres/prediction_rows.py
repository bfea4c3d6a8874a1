"""``predictions`` and ``model_scores``: what models foretold, what came of it, and how well they did."""

from connectors.postgres.columns import Row, json, moment, upsert
from schemas.origin import Origin
from schemas.prediction import AnyPrediction, Outcome, Prediction, Score

SAID = (
    "id", "strategy_id", "asset", "ts", "model_version", "role", "horizon", "price", "probabilities", "label",
    "confidence", "side", "origin",
)  # fmt: skip
FORETOLD = upsert("predictions", "id", (*SAID, "threshold"))
CAME = upsert("predictions", "id", (*SAID, "matured", "later", "change", "outcome"))
SCORED = upsert(
    "model_scores",
    "id",
    (
        "id", "strategy_id", "asset", "ts", "model_version", "role", "samples", "accuracy", "majority", "log_loss",
        "brier", "calibration", "roc_auc", "learned", "origin",
    ),
)  # fmt: skip


def prediction_rows(record: AnyPrediction) -> list[Row]:
    """The row of a record of ``predictions``; an outcome completes the row of its prediction, also where the table has
    not seen that one. Ids follow from origins.
    """
    if isinstance(record, Score):
        return [Row(SCORED, _score(record))]
    if isinstance(record, Outcome):
        horizon = (record.matured - record.ts) // 1_000_000
        came = {
            "matured": moment(record.matured),
            "later": record.later,
            "change": record.change,
            "outcome": record.label,
        }
        said = _said(record, record.prediction, horizon, record.predicted)
        return [Row(CAME, {**said, **came})]
    said = _said(record, record.origin, record.horizon, record.label)
    return [Row(FORETOLD, {**said, "confidence": record.confidence, "threshold": record.threshold})]


def _said(record: Prediction | Outcome, origin: Origin, horizon: int, label: int) -> dict[str, object]:
    """What was said at the time. The confidence is the probability of what was likeliest."""
    return {
        "id": origin.uuid("prediction"),
        "strategy_id": record.strategy,
        "asset": record.symbol,
        "ts": moment(record.ts),
        "model_version": record.model,
        "role": record.role,
        "horizon": horizon,
        "price": record.price,
        "probabilities": json(record.probabilities),
        "label": label,
        "confidence": record.probabilities.get(str(label)),
        "side": record.side,
        "origin": origin.header().decode(),
    }


def _score(score: Score) -> dict[str, object]:
    numbers = ("samples", "accuracy", "majority", "log_loss", "brier", "calibration", "roc_auc", "learned")
    return {
        "id": score.origin.uuid("score"),
        "strategy_id": score.strategy,
        "asset": score.symbol,
        "ts": moment(score.ts),
        "model_version": score.model,
        "role": score.role,
        "origin": score.origin.header().decode(),
        **{name: getattr(score, name) for name in numbers},
    }
