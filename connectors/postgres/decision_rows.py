"""``decisions``: every decision of every strategy with its reason, also and above all not to trade."""

from datetime import timedelta
from uuid import UUID

import psycopg

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
PRUNE = """
delete from decisions where id in (
    select id from decisions where created_at < (now() at time zone 'utc') - %(age)s limit %(most)s
)
"""
AT_ONCE = 5_000
"""Rows that one statement removes: it is over before anybody waits for it."""


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


def prune(connection: psycopg.Connection, days: float) -> int:
    """Remove what was stored more than ``days`` days ago, a part at a time; returns how many rows are gone.

    Counted from when a row was written, not from the log's time: a recorded session would be gone at once.
    """
    gone, full = 0, True
    while full:
        removed = connection.execute(PRUNE, {"age": timedelta(days=days), "most": AT_ONCE}).rowcount
        gone, full = gone + removed, removed == AT_ONCE
    return gone
