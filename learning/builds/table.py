"""The table ``datasets``: what was asked for, and how far it is.

``status`` has the three words that other services know; ``metadata.state`` says more: ``queued``, ``building``,
``paused``, ``cancelled``, ``ready``, ``failed``. ``metadata.wanted`` is what a person wants of a build that is not
over: ``pause`` or ``cancel``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID, uuid4

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from connectors.postgres.columns import moment
from learning.datasets.request import DatasetRequest, TimeBased, WalkForward

SPLITS = ("train", "validation", "test")
COLUMNS: LiteralString = "id, symbol, status, priority, storage_path, created_at, metadata"
INSERT = """
insert into datasets
    (id, symbol, split_strategy, train_period_start, train_period_end, validation_period_start, validation_period_end,
    test_period_start, test_period_end, walk_forward_config, target_config, feature_registry_version, output_format,
    storage_path, created_at, priority, metadata)
values (%(id)s, %(symbol)s, %(strategy)s, %(train_start)s, %(train_end)s, %(validation_start)s, %(validation_end)s,
    %(test_start)s, %(test_end)s, %(walk_forward)s, %(target)s, %(registry)s, %(format)s, %(folder)s,
    now() at time zone 'utc', %(priority)s, %(metadata)s)
"""
ONE = "select " + COLUMNS + " from datasets where id = %s"
NEXT = (
    "select "
    + COLUMNS
    + """ from datasets
where status = 'building' and metadata ? 'request' and metadata->>'wanted' is distinct from 'pause'
order by priority desc, created_at, id
"""
)
NOTE = "update datasets set metadata = coalesce(metadata, '{}') || %(more)s where id = %(id)s"
PROGRESS = """
update datasets set metadata = metadata || %(more)s, estimated_completion = %(eta)s where id = %(id)s
returning metadata->>'wanted'
"""
WANTED = "select metadata->>'wanted' from datasets where id = %s"


class Dataset(NamedTuple):
    """A row of the table that we made, as far as builds need it."""

    id: UUID
    symbol: str
    status: str
    priority: int
    storage_path: str | None
    created_at: datetime
    metadata: dict[str, Any]

    @property
    def state(self) -> str:
        """Finer than ``status``."""
        return str(self.metadata.get("state", self.status))

    @property
    def request(self) -> DatasetRequest:
        """What was asked for."""
        return msgspec.convert(self.metadata["request"], DatasetRequest)


def add(connection: psycopg.Connection[Any], request: DatasetRequest, registry: str, root: str, **more: Any) -> UUID:
    """Put a dataset into the queue; its id.

    Args:
        request: what is wanted, checked already; it needs no id.
        registry: the version of the feature registry.
        root: the folder of datasets.
        more: ``priority`` (the larger, the sooner), ``trace_id``.
    """
    dataset = uuid4()
    plan = request.plan
    target = request.target
    row: dict[str, Any] = {
        "id": dataset,
        "symbol": request.symbols[0],
        "strategy": "walk_forward" if isinstance(plan, WalkForward) else "time_based",
        **_periods(plan),
        "walk_forward": Jsonb(walk_forward_config(plan)) if isinstance(plan, WalkForward) else None,
        "target": Jsonb({"type": target.kind, "horizon": target.horizon, "threshold": target.threshold}),
        "registry": registry,
        "format": request.format,
        "folder": f"{root}/{dataset}",
        "priority": more.get("priority", 0),
        "metadata": Jsonb(
            {
                "state": "queued",
                "registry": registry,
                "request": msgspec.to_builtins(msgspec.structs.replace(request, dataset_id=str(dataset))),
                "trace_id": more.get("trace_id"),
            }
        ),
    }
    connection.execute(INSERT, row)
    return dataset


def get(connection: psycopg.Connection[Any], dataset: UUID) -> Dataset | None:
    """One dataset; None where there is no such row."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        row = cursor.execute(ONE, [dataset]).fetchone()
    return Dataset(*row)._replace(metadata=row[-1] or {}) if row else None


def waiting(connection: psycopg.Connection[Any]) -> list[Dataset]:
    """Builds that are not over and that nobody wants to wait, in the order in which they are to be made."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        return [Dataset(*row) for row in cursor.execute(NEXT).fetchall()]


def note(connection: psycopg.Connection[Any], dataset: UUID, more: Mapping[str, Any]) -> None:
    """Put more into the metadata of a dataset; None takes a value's place."""
    connection.execute(NOTE, {"id": dataset, "more": Jsonb(dict(more))})


def wanted(connection: psycopg.Connection[Any], dataset: UUID) -> str | None:
    """What is wanted of a build: ``pause``, ``cancel`` or nothing; ``cancel`` where its row is gone."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        row = cursor.execute(WANTED, [dataset]).fetchone()
    return row[0] if row else "cancel"


def tell_progress(
    connection: psycopg.Connection[Any], dataset: UUID, progress: Mapping[str, Any], eta: datetime | None
) -> str | None:
    """Write how far a build is; what is wanted of it, as ``wanted``."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        more = Jsonb({"state": "building", "progress": dict(progress)})
        row = cursor.execute(PROGRESS, {"id": dataset, "more": more, "eta": eta}).fetchone()
    return row[0] if row else "cancel"


def walk_forward_config(plan: WalkForward) -> dict[str, Any]:
    """The plan as the contract spells it."""
    return {
        "train_window_days": plan.train_days,
        "validation_window_days": plan.validation_days,
        "test_window_days": plan.test_days,
        "step_days": plan.step_days,
        "start_date": f"{moment(plan.start).isoformat()}Z",
        "end_date": f"{moment(plan.end).isoformat()}Z",
        "min_train_samples": plan.min_train_samples,
    }


def _periods(plan: object) -> dict[str, datetime | None]:
    spans = {split: getattr(plan, split) for split in SPLITS} if isinstance(plan, TimeBased) else {}
    return {
        f"{split}_{end}": moment(getattr(spans[split], end)) if split in spans else None
        for split in SPLITS
        for end in ("start", "end")
    }
