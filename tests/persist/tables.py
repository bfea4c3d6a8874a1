"""What the tables should hold, computed from the records in plain Python, and what they do hold."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg

from schemas.account import Execution, OrderEvent, PositionEvent
from schemas.decision import Decision
from schemas.signal import TradingSignal


def naive(microseconds: int) -> datetime:
    """UTC without a zone."""
    whole = datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(tzinfo=None)
    return whole.replace(microsecond=microseconds % 1_000_000)


def places(number: float, count: int = 8) -> Decimal:
    return Decimal(str(number)).quantize(Decimal(1).scaleb(-count), ROUND_HALF_UP)


def rows(url: str, query: str, *params: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query, params).fetchall()


SIGNALS = """
select signal_id::text, strategy_id, asset, side, price, confidence, timestamp, is_warmup, trace_id
from trading_signals order by signal_id::text
"""
DECISIONS = "select origin, strategy_id, asset, ts, outcome, step, numbers, signal_id::text from decisions order by 1"
EXECUTIONS = """
select signal_id::text, asset, side, execution_quantity, executed_at, (performance->>'realized_pnl')::float
from execution_events order by performance->>'order_id'
"""
ORDERS = "select order_id, asset, side, quantity, status, ts, place from order_events order by place"
POSITIONS = "select asset, ts, size, unrealized_pnl, place from position_events order by place"
STATES = """
select asset, entry_price, entry_time, peak_price, highest_unrealized_pnl from position_states order by asset
"""


def held(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the tables hold, but for the times of writing."""
    queries = {
        "signals": SIGNALS, "decisions": DECISIONS, "executions": EXECUTIONS, "orders": ORDERS,
        "positions": POSITIONS, "states": STATES,
    }  # fmt: skip
    return {name: rows(url, query) for name, query in queries.items()}


def expected(records: list[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """The same, from the records."""
    of: dict[type, list[Any]] = {}
    for record in records:
        of.setdefault(type(record), []).append(record)
    return {
        "signals": sorted(_signal(one) for one in of.get(TradingSignal, [])),
        "decisions": sorted((_decision(one) for one in of.get(Decision, [])), key=lambda row: row[0]),
        "executions": [_execution(one) for one in sorted(of.get(Execution, []), key=lambda one: one.order_id)],
        "orders": sorted(_order(one) for one in of.get(OrderEvent, [])),
        "positions": sorted((_position(one) for one in of.get(PositionEvent, [])), key=lambda row: row[-1]),
        "states": states(of.get(PositionEvent, [])),
    }


def states(events: list[PositionEvent]) -> list[tuple[Any, ...]]:
    """By looking, for each asset, at the events since it was last flat or on the other side."""
    found = []
    for asset in sorted({event.symbol for event in events}):
        run: list[PositionEvent] = []
        for event in (event for event in events if event.symbol == asset):
            if event.size == 0 or (run and run[-1].size * event.size < 0):
                run = []
            if event.size:
                run.append(event)
        if run:
            prices = [one.entry + one.unrealized_pnl / one.size for one in run]  # type: ignore[operator]
            peak = max(prices) if run[-1].size > 0 else min(prices)
            highest = max(0.0, *(one.unrealized_pnl for one in run))  # type: ignore[type-var]
            found.append((asset, places(run[-1].entry), naive(run[0].ts), places(peak), places(highest)))  # type: ignore[arg-type]
    return found


def _signal(one: TradingSignal) -> tuple[Any, ...]:
    price, confidence = places(one.snapshot.price), places(one.confidence, 4)
    head = one.signal_id, one.strategy, one.symbol, one.side
    return (*head, price, confidence, naive(one.ts), one.is_warmup, one.trace_id)


def _decision(one: Decision) -> tuple[Any, ...]:
    origin = "/".join(map(str, one.origin))
    return origin, one.strategy, one.symbol, naive(one.ts), one.outcome, one.step, one.numbers, one.signal_id


def _execution(one: Execution) -> tuple[Any, ...]:
    realized = one.realized if one.closed else None
    return one.signal_id, one.symbol, one.side, places(one.size), naive(one.ts), realized


def _order(one: OrderEvent) -> tuple[Any, ...]:
    place = "account/" + "/".join(map(str, one.origin or ()))
    return one.order_id, one.symbol, one.side, one.quantity, one.status, naive(one.ts), place


def _position(one: PositionEvent) -> tuple[Any, ...]:
    place = "account/" + "/".join(map(str, one.origin or ()))
    return one.symbol, naive(one.ts), one.size, one.unrealized_pnl, place
