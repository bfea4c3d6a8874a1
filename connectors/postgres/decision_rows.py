"""``decisions``: every decision of every strategy with its reason, also and above all not to trade."""

from uuid import UUID

from connectors.postgres.columns import Row, json, moment, upsert
from schemas.decision import Decision

WRITE = upsert(
    "decisions",
    "id",
    (
        "id", "strategy_id", "asset", "ts", "kind", "outcome", "step", "reason", "side", "numbers", "gates",
        "signal_id", "model_version", "trace_id", "origin",
    ),
)  # fmt: skip


def decision_rows(decision: Decision) -> list[Row]:
    """The decision's row; its id follows from its origin.

    Raises:
        ValueError: when the id of its signal is no UUID.
    """
    row = {
        "id": decision.origin.uuid("decision"),
        "strategy_id": decision.strategy,
        "asset": decision.symbol,
        "ts": moment(decision.ts),
        "kind": decision.kind,
        "outcome": decision.outcome,
        "step": decision.step,
        "reason": decision.reason,
        "side": decision.side,
        "numbers": json(decision.numbers),
        "gates": json(decision.gates),
        "signal_id": UUID(decision.signal_id) if decision.signal_id else None,
        "model_version": decision.model_version,
        "trace_id": decision.trace_id,
        "origin": decision.origin.header().decode(),
    }
    return [Row(WRITE, row)]
