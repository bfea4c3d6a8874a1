"""Records of a log that hold everything a log may hold: events of every type, strange bytes, keys and headers."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from connectors.archive.log import ArchiveLog
from connectors.archive.writer import ArchiveWriter
from connectors.log import Log, NewRecord, Record
from connectors.log.span import span
from connectors.log.sqlite import SqliteLog
from schemas.account import AccountConfigured, BalanceEvent, OrderEvent, PositionEvent
from schemas.codec import encode
from schemas.events import AnyEvent
from schemas.market import Funding, Kline, Ticker
from schemas.model import ModelActivated, ModelShadowed
from schemas.origin import Origin
from schemas.registry import RegistryActivated
from schemas.strategy import Strategy, StrategyConfigured
from tests.streams import SECOND, START, stream

STRANGE = (
    b"",
    b"\xff\xfe no text",
    b'{"type":"no.such.type","recv":5}',
    b'{"type":"tick"}',
    b'{"type":"tick","recv":5,"recv":6}',
    b'{"type": "tick", "recv": 5}',
    b'{"recv":5,"type":"tick"}',
    b'{"type":"tick","recv":5,"later":"a field of a newer version"}',
    b'{"type":"trade","symbol":"AAA","ts":5,"recv":5,"id":"1","side":"buy","price":1,"size":2}',
    b'{"type":"trade","symbol":"AAA","ts":5,"recv":5,"id":"\\u00fc","side":"buy","price":1.5,"size":-0.0}',
    '{"type":"trade","symbol":"AAA","ts":5,"recv":5,"id":"ü\\n","side":"buy","price":1.5,"size":2.0}'.encode(),
    b'{"type":"trade","symbol":"AAA","ts":5,"recv":5,"id":"1","side":"buy","price":1.50,"size":2e0}',
    b'{"type":"trade","symbol":"../../etc","ts":5,"recv":5,"id":"1","side":"buy","price":1.5,"size":2.0}',
    b'{"type":"trade","symbol":"","ts":5,"recv":5,"id":"1","side":"buy","price":1.5,"size":2.0}',
    b'{"type":"trade","symbol":"_","ts":5,"recv":5,"id":"1","side":"buy","price":1.5,"size":2.0}',
    b'{"type":"trade","symbol":"AAA","ts":5,"recv":5,"id":"1","side":"buy","price":1.5,"size":2.0,"backfilled":false}',
    b'{"type":"kline","symbol":"AAA","ts":5,"recv":5,"start":1,"open":1.0,"high":1.0,"low":1.0,"close":1.0,'
    b'"volume":0.0,"turnover":0.0}',
    b'{"type":"kline","symbol":"AAA","ts":5,"recv":5,"start":1,"open":1.0,"high":1.0,"low":1.0,"close":1.0,'
    b'"volume":0.0,"turnover":-0.0,"closed":true}',
    b'{"type":"book.delta","symbol":"AAA","ts":5,"recv":5,"u":1,"prev":-1,"bids":[],"asks":[[1.0,-0.0],[2.0,0.0]]}',
    b'{"type":"book.delta","symbol":"AAA","ts":5,"recv":5,"u":9223372036854775807,"prev":0,"bids":[],"asks":[]}',
)
"""Messages whose columns do not give their bytes, or that are no events at all, and some that only look so."""


def rare(time: int) -> list[AnyEvent]:
    """One event of each type that a market stream has not, and of those with defaults that are left out."""
    origin = Origin(0, 17, 2)
    return [
        OrderEvent("AAA", time, time, "o1", "buy", "limit", 1.5, "filled", filled=1.5, price=100.0, maker=True),
        OrderEvent("BBB", time, time, "o2", "sell", "market", 1.0, "rejected", reason="no", fees=-0.01, origin=origin),
        PositionEvent("AAA", time, time, -2.5, entry=99.5, trace_id="t"),
        BalanceEvent("USDT", time, time, 10.0, 20.0),
        BalanceEvent("USDT", time, time, 10.0, 20.0, symbol="AAA", origin=origin),
        AccountConfigured(time, "paper"),
        AccountConfigured(time, "live", cash=10_000.0, taker_fee=0.001, latency=50_001),
        StrategyConfigured(time, Strategy("s", ("AAAA",), about="Wörter")),
        ModelActivated(time, "s", None),
        ModelActivated(time, "s", "v1", symbol="AAAA", sha256="ab"),
        ModelShadowed(time, "s", "v2", watching=False),
        RegistryActivated(time, at=time // SECOND * SECOND, version="1", config={"features": [1.0, None]}, sha256="cd"),
        Kline("AAA", time, time, time - 60 * SECOND, 1.0, 2.0, 0.5, 1.5, 3.0, turnover=0.0, closed=True),
        Kline("AAA", time, time, time - 60 * SECOND, 1.0, 2.0, 0.5, 1.5, 3.0, turnover=7.5, backfilled=True),
        Ticker("BBB", time, time, last=1.0, next_funding=time),
        Ticker("BBB", time, time),
        Funding("AAA", time, time, -0.0001, settled=True),
    ]


def records(seed: int, seconds: int) -> list[NewRecord]:
    """A market of two symbols with everything else put between, as a collector and a bridge would write it."""
    random = Random(seed)
    found = [NewRecord(None, encode(event), 1_000) for event in rare(START)[5:8]]
    for event in stream(seed, seconds):
        found.append(of_event(event))
        if random.random() < 0.02:
            found += [of_event(one) for one in random.sample(rare(event.recv), 2)]
        if random.random() < 0.02:
            headers = (("x", b"\x00\xff"), ("y", b"")) if random.random() < 0.5 else ()
            key = random.choice([None, b"", b"AAA", b"\xff"])
            found.append(NewRecord(key, random.choice([None, *STRANGE]), event.recv, headers))
    return found


def of_event(event: AnyEvent) -> NewRecord:
    """As our writers write it."""
    symbol = getattr(event, "symbol", None)
    return NewRecord(symbol.encode() if symbol else None, encode(event), event.recv)


def log_of(folder: Path, shards: list[list[NewRecord]]) -> SqliteLog:
    """A log whose events are these, by shard."""
    log = SqliteLog(folder)
    log.create("events", len(shards))
    for shard, found in enumerate(shards):
        log.append("events", shard, found)
    return log


def everything(log: Log, shard: int = 0) -> list[Record]:
    """Every record of a shard of the events, headers as tuples."""
    start, end = log.start("events", shard), log.end("events", shard)
    return [one._replace(headers=tuple(one.headers)) for one in span(log, "events", shard, start, end)]


def archive(root: Path, log: Log, commits: int = 1, shards: int = 1) -> None:
    """Archive all events of a log, in so many commits."""
    with ArchiveWriter(root, shards) as writer:
        found = [everything(log, shard) for shard in range(shards)]
        for number in range(commits):
            for shard, all_of_it in enumerate(found):
                begin, end = (len(all_of_it) * edge // commits for edge in (number, number + 1))
                writer.add(shard, all_of_it[begin:end])
            writer.commit()


def archived(root: Path, shard: int = 0) -> list[Record]:
    """What the archive alone holds of a shard: the log beside it is empty."""
    empty = SqliteLog(root.parent / "nothing")
    log = ArchiveLog(empty, root)
    found = everything(log, shard)
    log.close()
    return found


def canonical(events: Sequence[AnyEvent]) -> list[bytes]:
    """Their bytes by another way than ours: through plain Python values."""
    return [msgspec.json.encode(msgspec.json.decode(encode(event), type=type(event))) for event in events]
