"""Whatever a session holds, and wherever it begins: only ticks turn the clock of a shard, on every shard."""

import asyncio
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.demo.feed import START
from connectors.demo.market import Market
from connectors.feeds import Lost
from connectors.frames import Frame
from dataflows.collect import collect
from schemas.codec import decode_dead_letter, decode_event
from schemas.market import AnyMarketEvent, Gap, Kline, Tick
from tests.connectors.memory_log import MemoryLog
from tests.connectors.scripted_feed import ScriptedFeed

HANG = 120.0
SECOND = 1_000_000
SHARDS = 2
FRAMES = list(islice(Market(["BTCUSDT", "ETHUSDT"], 1, START).frames(), 100))


def run(coroutine):
    """Run to the end; a hang is an error."""
    return asyncio.run(asyncio.wait_for(coroutine, HANG))


def events_in(log: MemoryLog, shard: int) -> list:
    return [decode_event(record.value) for record in log.records["events", shard]]


def gap(recv: int) -> Gap:
    return Gap("ETHUSDT", recv, recv, "trades", "connection lost", start=recv - 1, end=recv)


def candle(recv: int) -> Kline:
    return Kline("BTCUSDT", recv, recv, START, 1.0, 1.0, 1.0, 1.0, 1.0, closed=True, backfilled=True)


MAKE = {
    "frame": lambda number, recv: [FRAMES[number]._replace(recv=recv)],
    "gap": lambda number, recv: [gap(recv)],
    "candle": lambda number, recv: [candle(recv)],
    "lost": lambda number, recv: [Lost("bybit", "linear")],
    "nothing": lambda number, recv: [],
}
PAUSES = st.integers(0, 300 * SECOND)
STEPS = st.lists(st.tuples(st.sampled_from(sorted(MAKE)), PAUSES), max_size=20)


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class PassingFeed(ScriptedFeed):
    """Time passes before each batch, and while a live one fetches its candles."""

    def __init__(self, steps: list[tuple[str, int]], live: bool, patience: int, clock: Clock) -> None:
        super().__init__([], live)
        self.steps, self.patience, self.clock = steps, patience, clock

    async def history(self) -> list[Kline]:
        if not self.live:
            return []
        self.clock.now += self.patience
        return [candle(self.clock.now)]

    async def batches(self):
        for number, (kind, pause) in enumerate(self.steps):
            self.clock.now += pause
            yield MAKE[kind](number, self.clock.now)


@pytest.mark.req("FS-EC-01")
@settings(max_examples=40, deadline=None)
@given(sessions=st.lists(st.tuples(STEPS, st.booleans(), PAUSES), min_size=1, max_size=2))
def test_every_record_is_at_most_a_second_later_than_the_tick_before_it(sessions):
    """Sessions on one log, live or not: frames, gaps and candles after pauses of any length, candles that are long in
    coming, batches with nothing. All shards get the same ticks, which never run back within a session."""
    log, clock = MemoryLog(), Clock()
    for steps, live, patience in sessions:
        ends = [len(log.records["events", shard]) for shard in range(SHARDS)]
        run(collect(PassingFeed(steps, live, patience, clock), log, SHARDS, clock=clock))
        fresh = [events_in(log, shard)[end:] for shard, end in enumerate(ends)]
        ticks = [[event.recv for event in events if isinstance(event, Tick)] for events in fresh]

        session = [[event for event in events if not missed(event)] for events in fresh]
        assert all(isinstance(events[0], Tick) for events in session if events)
        assert ticks[0] == ticks[1] == sorted(set(ticks[0]))
        for events in session:
            second = 0
            for event in events:
                second = event.recv if isinstance(event, Tick) else second
                assert event.recv <= second + SECOND


def missed(event: AnyMarketEvent) -> bool:
    """What an earlier session left out is told at the clock of the log's end, before the first tick."""
    return isinstance(event, Gap) and event.reason == "collector restart"


def test_a_recording_begins_when_its_first_frame_was_received():
    """Also where its first batches hold no frame: the wall clock has no part in it."""
    log = MemoryLog()
    run(collect(ScriptedFeed([FRAMES[:50]]), log, SHARDS))
    ends = [len(log.records["events", shard]) for shard in range(SHARDS)]
    later = [frame._replace(recv=frame.recv + 600 * SECOND) for frame in FRAMES[:50]]
    run(collect(ScriptedFeed([[], [Lost("bybit", "linear")], later]), log, SHARDS))
    for shard, end in enumerate(ends):
        before, after = events_in(log, shard)[:end], events_in(log, shard)[end:]

        assert next(event for event in after if not missed(event)) == Tick(START + 600 * SECOND)
        assert {gap.end for gap in after if isinstance(gap, Gap)} <= {later[0].recv}
        assert {gap.recv for gap in after if isinstance(gap, Gap)} <= {max(event.recv for event in before)}
        assert max(event.recv for event in after) < later[-1].recv + 2 * SECOND


def test_frames_whose_time_is_unknown_turn_no_clock():
    """A recording of replies alone has no time: nothing is dated 1970, let alone before."""
    log = MemoryLog()
    trade = next(frame.data for frame in FRAMES if b'"publicTrade' in frame.data[:30])
    run(collect(ScriptedFeed([[Frame("bybit", "linear", 0, trade)]]), log, SHARDS))
    letters = [decode_dead_letter(r.value) for shard in range(SHARDS) for r in log.records["dead-letters", shard]]

    assert events_in(log, 0) == events_in(log, 1) == []
    assert {(letter.raw, letter.reason) for letter in letters} == {(trade, "recv 0 is not between 1970 and 2100")}
