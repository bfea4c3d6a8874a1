"""Records as a trading flow would write them, made by hand from the schemas, a pure function of a seed."""

from collections.abc import Sequence
from random import Random
from typing import Any

from connectors.log import Log, NewRecord
from schemas.account import Execution, OrderEvent, PositionEvent
from schemas.codec import encode
from schemas.decision import Decision
from schemas.origin import HEADER, Origin
from schemas.output import TOPIC_OF
from schemas.signal import MarketSnapshot, TradingSignal
from schemas.topics import TOPICS

SHARDS = 2
SECOND = 1_000_000
START = 1_741_079_704 * SECOND
STRATEGIES = ("alpha", "beta")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
"""Of shard 0 and 1."""


def create(log: Log) -> None:
    """Every topic."""
    for topic in TOPICS:
        log.create(topic.name, SHARDS)


def signal(origin: Origin, ts: int = START, **changes: Any) -> TradingSignal:
    """An entry of strategy ``alpha``; its ids follow from its origin, as the engine makes them."""
    fields: dict[str, Any] = {
        "signal_id": str(origin.uuid("signal")),
        "strategy": "alpha",
        "symbol": SYMBOLS[origin.shard],
        "ts": ts,
        "side": "buy",
        "amount": 355.5,
        "confidence": 0.82,
        "kind": "entry",
        "is_warmup": True,
        "feature_registry_version": "1.2.0",
        "snapshot": MarketSnapshot(142.2, 0.0035, 0.00246, 918.4, 0.00041, 512.0, 498.5, {"rsi_14": 31.5}),
        "reason": "momentum 0.4 above 0.1",
        "trace_id": str(origin.uuid("trace")),
        "origin": origin,
    }
    return TradingSignal(**fields | changes)


def decision(origin: Origin, ts: int = START, **changes: Any) -> Decision:
    """Strategy ``alpha`` did not trade, because of its rate."""
    fields: dict[str, Any] = {
        "strategy": "alpha",
        "symbol": SYMBOLS[origin.shard],
        "ts": ts,
        "kind": "entry",
        "outcome": "skip",
        "step": "rate",
        "reason": "no token for 12.5 s",
        "numbers": {"tokens": 0.0, "wait": 12.5},
        "trace_id": str(origin.uuid("trace")),
        "origin": origin,
        "gates": [{"step": "data", "age": 0.2}],
    }
    return Decision(**fields | changes)


def execution(origin: Origin, ts: int = START, **changes: Any) -> Execution:
    """A buy of 2.5 at 142.3 that serves a signal made at 142.2."""
    fields: dict[str, Any] = {
        "symbol": SYMBOLS[origin.shard],
        "ts": ts,
        "strategy": "alpha",
        "side": "buy",
        "size": 2.5,
        "price": 142.3,
        "fee": 0.2,
        "order_id": f"order-{origin.offset}",
        "origin": origin,
        "signal_id": str(Origin(origin.shard, 1, 0).uuid("signal")),
        "signal_price": 142.2,
        "signal_ts": ts - 2 * SECOND,
        "signal_kind": "entry",
    }
    return Execution(**fields | changes)


def order(ts: int = START, symbol: str = "BTCUSDT", origin: Origin | None = None, **changes: Any) -> OrderEvent:
    """A market order of the bridge, or with an origin of the paper exchange."""
    fields: dict[str, Any] = {
        "symbol": symbol,
        "ts": ts,
        "recv": ts,
        "order_id": "order-1",
        "side": "buy",
        "order_type": "market",
        "quantity": 2.5,
        "status": "filled",
        "filled": 2.5,
        "average_price": 142.3,
        "source": "paper" if origin else "order-manager",
        "origin": origin,
    }
    return OrderEvent(**fields | changes)


def position(size: float, ts: int = START, symbol: str = "BTCUSDT", **changes: Any) -> PositionEvent:
    """What the account reports; the entry is 100 unless it is flat."""
    fields: dict[str, Any] = {"symbol": symbol, "ts": ts, "recv": ts, "size": size, "entry": 100.0 if size else None}
    return PositionEvent(**fields | changes)


def write(log: Log, records: Sequence[Any]) -> None:
    """Append derived records to the topics of their types, in the shard of their origin."""
    for record in records:
        new = NewRecord(record.symbol.encode(), encode(record), record.ts, [(HEADER, record.origin.header())])
        log.append(TOPIC_OF[type(record)], record.origin.shard, [new])


def write_events(log: Log, shard: int, records: Sequence[Any]) -> None:
    """Append events as a collector or the bridge would."""
    log.append("events", shard, [NewRecord(b"X", encode(record), getattr(record, "recv", 0)) for record in records])


def story(seed: int, shard: int, first: int, count: int) -> list[Any]:
    """What ``count`` events from offset ``first`` on caused: decisions, some signals, orders, positions, executions."""
    random, records = Random(f"{seed}/{shard}/{first}"), list[Any]()
    for offset in range(first, first + count):
        ts, strategy = START + offset * SECOND, random.choice(STRATEGIES)
        side = random.choice(["buy", "sell"])
        common = {"strategy": strategy, "side": side}
        if random.random() < 0.5:
            step = random.choice(["rate", "data", "orders"])
            records.append(decision(Origin(shard, offset, 0), ts, step=step, strategy=strategy))
            continue
        made = signal(Origin(shard, offset, 1), ts, kind=random.choice(["entry", "exit"]), **common)
        told = {"outcome": "signal", "step": "signal", "signal_id": made.signal_id}
        records += [decision(Origin(shard, offset, 0), ts, **told, **common), made]
        size, realized = random.randint(1, 9) / 8, random.randint(-50, 50) / 4
        serves = {"signal_id": made.signal_id, "order_id": f"order-{shard}-{offset}"}
        closes = {"realized": realized, "closed": size} if made.kind == "exit" else {}
        filled = order(ts, made.symbol, Origin(shard, offset, 2), quantity=size, filled=size, **common, **serves)
        done = execution(Origin(shard, offset, 3), ts, size=size, **common, **serves, **closes)
        held = random.choice([0.0, 1.0, -2.0])
        place = {"origin": Origin(shard, offset, 4), "unrealized_pnl": float(random.randint(-9, 9)) if held else 0.0}
        records += [filled, done, position(held, ts, made.symbol, **place)]
    return records
