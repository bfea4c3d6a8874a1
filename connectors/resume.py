"""What the log missed while no collector ran."""

from collections.abc import Collection
from typing import NamedTuple

import structlog

from connectors.feeds import CHANNELS
from connectors.log import Log, LogUnavailable
from connectors.validate import AHEAD
from schemas.codec import UNREADABLE, decode_event
from schemas.market import (
    AnyMarketEvent,
    BookDelta,
    BookSnapshot,
    Channel,
    Funding,
    Gap,
    Kline,
    MarketEvent,
    Tick,
    Ticker,
    Trade,
)
from schemas.topics import EVENTS, shard_of

REASON = "collector restart"
TAIL = 20_000
"""So many records at the end of a shard are read to see what was collected last."""
_PATIENCE = 5.0

_CHANNEL_OF: dict[type, Channel] = {
    BookSnapshot: "orderbook",
    BookDelta: "orderbook",
    Trade: "trades",
    Kline: "kline",
    Ticker: "ticker",
    Funding: "funding",
}


class Tail(NamedTuple):
    """The end of a shard: its clock (0: empty), and what was collected last."""

    clock: int
    sources: frozenset[tuple[str, Channel]]


def read_tail(log: Log, shard: int) -> Tail:
    """The clock of a shard of ``events`` and the symbols and channels among its last records.

    What the flows refuse does not count: what cannot be read, and what is dated far ahead without a tick that says so.

    Raises:
        LogUnavailable: when the log cannot be read now.
    """
    start, end = log.start(EVENTS.name, shard), log.end(EVENTS.name, shard)
    clock, sources = 0, set()
    reader = log.reader(EVENTS.name, shard, max(start, end - TAIL))
    try:
        while reader.position < end:
            for _, value in reader.poll_raw(end - reader.position):
                event = _look(value)
                if not isinstance(event, MarketEvent | Tick) or (
                    clock and event.recv > clock + AHEAD and not isinstance(event, Tick)
                ):
                    continue
                clock = max(clock, event.recv)
                if not isinstance(event, Tick) and (channel := _CHANNEL_OF.get(type(event))):
                    sources.add((event.symbol, channel))
            if reader.position < end and not reader.wait(_PATIENCE):
                raise LogUnavailable(f"topic {EVENTS.name}, shard {shard}: records before offset {end} do not come")
    finally:
        reader.close()
    return Tail(clock, frozenset(sources))


def restart_gaps(
    log: Log, shards: int, symbols: Collection[str] | None, now: int, channels: Collection[Channel] = CHANNELS
) -> list[Gap]:
    """A gap per symbol and channel from the end of the log to ``now`` (microseconds UTC); none on an empty log.

    Their ``recv`` is the shard's clock: they are to stand before the tick that turns it, so that the seconds which that
    tick closes are tainted.

    With ``symbols``, for all ``channels`` of those; otherwise for what was collected last. A shard whose clock is not
    before ``now`` gets none.
    """
    gaps = []
    for shard in range(shards):
        tail = read_tail(log, shard)
        if tail.clock > now:
            structlog.get_logger().warning(
                "collector.behind",
                shard=shard,
                log_ends=tail.clock,
                session_begins=now,
                advice="the log is ahead of this session, whose events will count as late; use a fresh log",
            )
        if not 0 < tail.clock < now:
            continue
        if symbols is None:
            wanted = sorted(source for source in tail.sources if source[1] in channels)
        else:
            wanted = [(name, channel) for name in sorted(set(symbols)) for channel in channels]
        gaps += [
            Gap(symbol=name, ts=now, recv=tail.clock, channel=channel, reason=REASON, start=tail.clock, end=now)
            for name, channel in wanted
            if shard_of(name, shards) == shard
        ]
    return gaps


def _look(value: bytes | None) -> AnyMarketEvent | None:
    try:
        return decode_event(value or b"")
    except UNREADABLE:
        return None
