"""A second session on the same log: the features flow goes on, and says what was missing."""

import asyncio
from collections.abc import Iterator
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

import pytest

from connectors.demo.feed import START, DemoFeed
from connectors.demo.market import Market
from connectors.feeds import CHANNELS, Feed
from connectors.log import Log
from connectors.log.sqlite import SqliteLog
from connectors.replay import RecordedFeed
from dataflows.collect import collect
from operators.keyframe import Keyframes
from schemas.market import AnyMarketEvent, BookSnapshot, Gap, MarketEvent, Tick
from schemas.topics import shard_of
from tests.connectors.scripted_feed import ScriptedFeed
from tests.flows.made import Made

HANG = 120.0
SECOND = 1_000_000
SYMBOLS = ["BTCUSDT", "SOLUSDT"]
SHARDS = 3
AGAIN = START + 5 * SECOND + 600 * SECOND
"""When the second session begins: ten minutes after the first one's end."""


class Session(NamedTuple):
    feed: Feed
    clock: object


def demo(start: int, seconds: int, folder: Path) -> Session:
    return Session(DemoFeed(SYMBOLS, 1, speed=None, start=start, seconds=seconds), None)


def recorded(start: int, seconds: int, folder: Path) -> Session:
    """The same frames from a file, which holds no history and does not say beforehand which symbols it holds."""
    path = folder / f"bybit_v5_linear_{start}.txt"
    path.write_bytes(b"".join(b"%d %s\n" % (frame.recv, frame.data) for frame in frames(start, seconds)))
    return Session(RecordedFeed(path), None)


def live(start: int, seconds: int, folder: Path) -> Session:
    """The same frames a second at a time, under a wall clock that goes with them."""
    now = [start]
    script: list = []
    for second, batch in groupby(frames(start, seconds), lambda frame: whole_second_after(frame.recv)):
        script += [partial(now.__setitem__, 0, second), list(batch)]
    past = DemoFeed(SYMBOLS, 1, speed=None, start=start).past
    return Session(ScriptedFeed(script, live=True, symbols=SYMBOLS, history=past), lambda: now[0])


def frames(start: int, seconds: int) -> Iterator:
    for frame in Market(SYMBOLS, 1, start).frames():
        if frame.recv > start + seconds * SECOND:
            return
        yield frame


def collected(log: Log, session: Session) -> None:
    """As ``lockstep collect`` does it."""
    clock = {"clock": session.clock} if session.clock else {}
    flow = collect(session.feed, log, SHARDS, enrich=Keyframes().feed, **clock)
    asyncio.run(asyncio.wait_for(flow, HANG))


class Restarted(NamedTuple):
    """Two sessions on one log, and the second one on a log of its own."""

    made: Made
    ends: list[int]
    """The offset in each shard at which the second session begins."""
    fresh: Made

    at: int
    """When the second session began: live by the wall clock, otherwise with its first frame."""

    def events(self, symbol: str, session: int) -> list[AnyMarketEvent]:
        """What the collector recorded of a symbol."""
        shard = shard_of(symbol, SHARDS)
        part = slice(None, self.ends[shard]) if session == 1 else slice(self.ends[shard], None)
        return [event for event in self.made.events[shard][part] if getattr(event, "symbol", symbol) == symbol]


@pytest.fixture(scope="module", params=[demo, recorded, live], ids=lambda make: make.__name__)
def restarted(request, tmp_path_factory) -> Restarted:
    folder = tmp_path_factory.mktemp(request.param.__name__)
    log, alone = SqliteLog(folder / "log"), SqliteLog(folder / "alone")
    collected(log, request.param(START, 5, folder))
    ends = [log.end("events", shard) for shard in range(SHARDS)]
    collected(log, request.param(AGAIN, 65, folder))
    collected(alone, request.param(AGAIN, 65, folder))
    try:
        at = AGAIN if request.param is live else next(frames(AGAIN, 1)).recv
        return Restarted(Made(log, SHARDS), ends, Made(alone, SHARDS), at)
    finally:
        log.close()
        alone.close()


def last_heard(events: list[AnyMarketEvent]) -> int:
    return max(event.recv for event in events if is_live(event))


def is_live(event: AnyMarketEvent) -> bool:
    told = isinstance(event, MarketEvent) and not isinstance(event, Gap)
    return told and not getattr(event, "backfilled", False) and not getattr(event, "keyframe", False)


def whole_second_after(time: int) -> int:
    return -(-time // SECOND) * SECOND


@pytest.mark.req("FS-EC-01")
def test_a_second_session_is_believed(restarted):
    """Ten minutes later than the shard's clock, and nothing becomes a dead letter: each shard has a tick first."""
    assert restarted.made.of("dead-letters") == restarted.made.refused == []
    for events, end in zip(restarted.made.events, restarted.ends, strict=True):
        tick = next(event for event in events[end:] if not isinstance(event, Gap))
        assert tick == Tick((restarted.at - 1) // SECOND * SECOND)


@pytest.mark.req("FS-EC-01")
def test_what_was_missed_is_told_for_every_channel(restarted):
    """One quality record for each symbol and channel, from the last thing on the shard to the restart; then the book is
    whole again. There is nothing else to tell, but that what should speak all the time was silent, and is heard."""
    told = [(r.symbol, r.problem, r.ts, r.detail) for r in restarted.made.quality]
    silent = [one for one in told if one[1] in ("channel.stale", "channel.heard")]
    told = [one for one in told if one not in silent]
    pulses = [(symbol, channel) for symbol in SYMBOLS for channel in ("kline", "orderbook", "ticker")]
    for problem in ("channel.stale", "channel.heard"):
        assert sorted((one[0], one[3]["channel"]) for one in silent if one[1] == problem) == sorted(pulses)
    for symbol in SYMBOLS:
        shard = shard_of(symbol, SHARDS)
        end = max(event.recv for event in restarted.made.events[shard][: restarted.ends[shard]])
        missed = {"reason": "collector restart", "from": end, "to": restarted.at}
        for channel in CHANNELS:
            told.remove((symbol, "gap", end, {"channel": channel, **missed}))
        book = next(event for event in restarted.events(symbol, 2) if isinstance(event, BookSnapshot))
        told.remove((symbol, "book.synchronised", book.recv, {"u": book.u}))

    assert told == []


def test_between_two_sessions_a_symbol_falls_silent_and_then_begins_anew(restarted):
    """A vector for every whole second, but none from a minute after the last event up to the next one."""
    for symbol in SYMBOLS:
        first, second = restarted.events(symbol, 1), restarted.events(symbol, 2)
        heard, again = (min(event.recv for event in part if is_live(event)) for part in (first, second))
        end = max(event.recv for event in second)
        expected = chain(
            range(whole_second_after(heard), last_heard(first) + 60 * SECOND, SECOND),
            range(whole_second_after(again), end, SECOND),
        )

        assert [vector.ts for vector in restarted.made.vectors_of(symbol)] == list(expected)


def test_vectors_are_tainted_from_the_end_of_the_first_session_until_their_windows_are_whole_again(restarted):
    """The book comes whole at once, the ticker too; trades are missing from the longest window for a minute, and a
    window that would reach back into the hole has no value."""
    for symbol in SYMBOLS:
        vectors = restarted.made.vectors_of(symbol)
        heard = min(event.recv for event in restarted.events(symbol, 2) if is_live(event))
        for vector in vectors:
            feels = ["trades"] if ended(restarted, symbol) <= vector.ts < restarted.at + 60 * SECOND else []
            if ended(restarted, symbol) <= vector.ts < restarted.at:
                feels = ["book", "trades", "ticker"]
            assert (vector.tainted, vector.taint) == (bool(feels), feels)
            if vector.ts > restarted.at:
                assert vector.features["mid_price"] and vector.features["funding_rate"]
                assert (vector.features["volume_1m"] is not None) == (vector.ts - 60 * SECOND >= heard)

        assert sum(not vector.tainted for vector in vectors if vector.ts > restarted.at) >= 3


def ended(restarted, symbol: str) -> int:
    """The clock of the symbol's shard when the first session was over."""
    shard = shard_of(symbol, SHARDS)
    return max(event.recv for event in restarted.made.events[shard][: restarted.ends[shard]])


def test_after_the_restart_features_are_those_of_a_log_that_begins_there(restarted):
    """What was known before the hole leaks into no window."""
    after = [(v.symbol, v.ts, v.features) for v in restarted.made.vectors if v.ts >= AGAIN]

    assert after == [(v.symbol, v.ts, v.features) for v in restarted.fresh.vectors]
