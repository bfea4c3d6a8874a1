"""How good a model is: rows of ``model_quality_metrics``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid5

import psycopg

from connectors.postgres.columns import decimal, json, moment
from schemas.model import ModelRecord
from schemas.origin import NAMESPACE

Kind = Literal["classification", "regression", "trading_performance"]
TRADING = frozenset(
    (
        "win_rate", "total_pnl", "avg_pnl", "sharpe_ratio", "sharpe", "profit_factor", "max_drawdown", "trades",
        "return", "total_return", "fees", "orders",
    )
)  # fmt: skip
"""Names of what trading by a model came to."""
ERRORS = frozenset(("mse", "mae", "rmse", "r2_score", "log_loss"))
"""Names of what has no bounds of 0 and 1, which the table asks of every classification metric."""
LARGEST = 1e12
"""The column has twelve places before the point."""
WRITE = """
insert into model_quality_metrics
    (id, model_version_id, metric_name, metric_value, metric_type, evaluated_at, evaluation_dataset_size, metadata)
select %(id)s, id, %(name)s, %(value)s, %(kind)s, %(at)s, %(rows)s, %(metadata)s
from model_versions where version = %(version)s
on conflict (id) do nothing
"""


class Metric(NamedTuple):
    """A number that says how good a model was, on ``rows`` rows of ``split``, known at ``ts`` (microseconds UTC).

    ``split`` is ``train``, ``validation``, ``test``, ``fold_<i>/<split>``, or ``live`` for what happened since.
    ``more`` goes into the metadata.
    """

    name: str
    value: float
    split: str
    ts: int
    rows: int | None = None
    more: Mapping[str, Any] = {}

    @property
    def kind(self) -> Kind:
        """Which kind of metric it is to the table.

        >>> [Metric(name, 0.5, "test", 0).kind for name in ("accuracy", "win_rate", "rmse")]
        ['classification', 'trading_performance', 'regression']
        """
        if self.name in TRADING or self.split == "backtest":
            return "trading_performance"
        return "classification" if self.name not in ERRORS and 0 <= self.value <= 1 else "regression"

    def id(self, version: str) -> UUID:
        """The same for the same evaluation, however often it is stored."""
        return uuid5(NAMESPACE, f"metric/{version}/{self.split}/{self.name}/{self.ts}")


def metrics_of(record: ModelRecord) -> list[Metric]:
    """Every number among the metrics of a trained model; what is no number (a confusion matrix) stays in its record."""
    found = []
    for split, metrics in sorted(record.metrics.items()):
        rows = metrics.get("rows", record.splits[split].rows if split in record.splits else None)
        for name, value in numbers({name: value for name, value in metrics.items() if name != "rows"}):
            found.append(Metric(name, value, split, record.trained_at, rows))
    return found


def numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Names and values, those of a block within as ``block.name``; what the column cannot hold is left out.

    >>> list(numbers({"accuracy": 0.5, "matrix": [[1]], "up": {"precision": 1.0}, "profit_factor": float("inf")}))
    [('accuracy', 0.5), ('up.precision', 1.0)]
    """
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST:
            yield prefix + name, float(value)


def write_metrics(connection: psycopg.Connection, version: str, metrics: Sequence[Metric]) -> int:
    """Insert what is not there yet, within the caller's transaction; how many rows are new."""
    new = 0
    for metric in metrics:
        params = {
            "id": metric.id(version),
            "version": version,
            "name": metric.name[:100],
            "value": decimal(metric.value),
            "kind": metric.kind,
            "at": moment(metric.ts),
            "rows": metric.rows,
            "metadata": json({**_place(metric.split), **metric.more}),
        }
        new += connection.execute(WRITE, params).rowcount
    return new


def _place(split: str) -> dict[str, Any]:
    """Where a metric is from, as other readers look for it.

    >>> _place("fold_3/validation")
    {'dataset_split': 'validation', 'fold': 3}
    """
    fold, _, name = split.rpartition("/")
    number = fold.removeprefix("fold_")
    return {"dataset_split": name, **({"fold": int(number)} if number.isdigit() else {})}
