"""A log with random sessions on it, what the features flow makes of them, and rows by brute force."""

from pathlib import Path
from typing import Any, NamedTuple

from connectors.log import Log, NewRecord
from connectors.log.sqlite import SqliteLog
from learning.datasets import DatasetRequest, Span, TimeBased
from operators.engine import Engine
from operators.features.catalogue import FEATURES as CATALOGUE
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.registry.model import Entry, Registry
from schemas.codec import decode_event, decode_vector, encode
from schemas.learning import Target
from schemas.market import Gap, Kline, Trade
from schemas.origin import HEADER
from schemas.topics import TOPICS, shard_of
from schemas.vector import FeatureVector
from tests.streams import SECOND, START, stream

MINUTE = 60 * SECOND
SHARDS = 2
SYMBOLS = ("AAAA", "BBBB", "CCCC")
NAMES = ("mid_price", "returns_3s", "volume_15s", "depth_imbalance_top5", "volatility_1m", "candle_body")
REGISTRY = Registry("few", tuple(Entry(name, CATALOGUE[name], (), 0) for name in NAMES))
FEATURES = FeatureSet.compile(REGISTRY)
FIRST = START // MINUTE * MINUTE + MINUTE


def at(minute: float) -> int:
    """A time of the session, in microseconds UTC."""
    return FIRST + round(minute * 60) * SECOND


def request(**changes: Any) -> DatasetRequest:
    """A small dataset of the session."""
    plan = TimeBased(Span(at(0), at(8)), Span(at(8), at(11)), Span(at(11), at(14)))
    given = {
        "symbols": SYMBOLS,
        "plan": plan,
        "target": Target("classification", horizon=20, threshold=0.001),
        "every": 5,
        "dataset_id": "d",
        "source": "events",
    }
    return DatasetRequest(**{**given, **changes})


def shard_events(seed: int, seconds: int, shard: int, faults: bool = True) -> list[Any]:
    """The events of one shard of a session."""
    symbols = tuple(symbol for symbol in SYMBOLS if shard_of(symbol, SHARDS) == shard)
    return stream(seed + shard, seconds, symbols, faults)


def write_events(log: Log, shard: int, events: list[Any]) -> None:
    """Append them as a collector does."""
    log.append("events", shard, [NewRecord(None, encode(event), event.recv) for event in events])


def messages_of(log: Log, shard: int) -> list[tuple[int, bytes | None]]:
    """All events of a shard as a source hands them out."""
    reader = log.reader("events", shard, 0)
    try:
        return reader.poll_raw(10**6)
    finally:
        reader.close()


def write_features(log: Log, features: FeatureSet = FEATURES) -> None:
    """Append what the features flow makes of the events."""
    for shard in range(SHARDS):
        messages = messages_of(log, shard)
        outputs = Engine(shard, lambda cursor: [MarketStage(features, cursor)]).feed(messages)
        for topic in ("features", "quality", "dead-letters"):
            log.append(
                topic,
                shard,
                [
                    NewRecord(one.key.encode(), one.value, one.timestamp or START, ((HEADER, one.origin.header()),))
                    for one in outputs
                    if one.topic == topic
                ],
            )


def make_log(folder: Path, seed: int = 1, seconds: int = 1000, faults: bool = True) -> SqliteLog:
    """A log with a session and its features on it."""
    log = SqliteLog(folder)
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    for shard in range(SHARDS):
        write_events(log, shard, shard_events(seed, seconds, shard, faults))
    write_features(log)
    return log


class Expected(NamedTuple):
    """A row by brute force."""

    ts: int
    symbol: str
    features: dict[str, float | None]
    change: float


def rows_by_brute_force(log: Log, asked: DatasetRequest, first: int, end: int) -> list[Expected]:
    """Rows of [first, end) with their horizon before ``end``: by looking at the whole log for each of them."""
    return sorted(
        row
        for symbol in asked.symbols
        for row in _of_symbol(log, symbol, asked.every * SECOND, asked.horizon, first, end)
    )


def _of_symbol(log: Log, symbol: str, every: int, horizon: int, first: int, end: int) -> list[Expected]:
    shard = shard_of(symbol, SHARDS)
    messages = messages_of(log, shard)
    events = [(offset, event) for offset, value in messages
              if getattr(event := decode_event(value or b""), "symbol", None) == symbol]  # fmt: skip
    outputs = Engine(shard, lambda cursor: [MarketStage(FEATURES, cursor)]).feed(messages)
    every_vector = [decode_vector(output.value) for output in outputs if output.topic == "features"]
    vectors = {vector.ts: vector for vector in every_vector if vector.symbol == symbol}
    found = []
    for ts, vector in vectors.items():
        later = vectors.get(ts + horizon)
        if ts % every or not first <= ts or ts + horizon > end or later is None:
            continue
        if any(one.tainted for one in vectors.values() if ts <= one.ts <= later.ts) or _gap(events, vector, later):
            continue
        before, after = _price(events, vector), _price(events, later)
        if before is not None and after is not None:
            found.append(Expected(ts, symbol, vector.features, after / before - 1))
    return found


def _gap(events: list[tuple[int, Any]], vector: FeatureVector, later: FeatureVector) -> bool:
    return any(
        offset < later.origin.offset and (offset >= vector.origin.offset or max(event.recv, event.end) >= vector.ts)
        for offset, event in events
        if isinstance(event, Gap)
    )


def _price(events: list[tuple[int, Any]], vector: FeatureVector) -> float | None:
    known = []
    for offset, event in events:
        if offset >= vector.origin.offset:
            break
        if isinstance(event, Trade):
            known.append((event.recv, 1, offset, event.price))
        elif isinstance(event, Kline):
            known.append((min(event.start + MINUTE, event.recv), 0, offset, event.close))
    when, _, _, price = max(known, default=(0, 0, 0, 0.0))
    return price if vector.ts - when <= MINUTE else None
