"""The collect flow while the log is away, and over its own death."""

import asyncio
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.buffer import Buffer, Pending
from connectors.demo.feed import START, DemoFeed
from connectors.demo.market import Market
from connectors.feeds import CHANNELS
from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows.collect import collect
from schemas.codec import decode_event
from schemas.market import Gap, Kline, Tick
from tests.connectors.memory_log import MemoryLog
from tests.connectors.scripted_feed import ScriptedFeed

HANG = 120.0
SECOND = 1_000_000
CHANNEL_OF = {
    "BookSnapshot": "orderbook",
    "BookDelta": "orderbook",
    "Trade": "trades",
    "Kline": "kline",
    "Ticker": "ticker",
}
FRAMES = list(islice(Market(["BTCUSDT", "ETHUSDT"], 1, START).frames(), 2_000))
BATCHES = [FRAMES[first : first + 100] for first in range(0, len(FRAMES), 100)]


def run(coroutine):
    """Run to the end; a hang is an error."""
    return asyncio.run(asyncio.wait_for(coroutine, HANG))


def clock() -> int:
    """Later than every frame of this module, and always the same second."""
    return FRAMES[-1].recv + 1


def events_in(log, shard: int = 0) -> list:
    return [decode_event(record.value) for record in log.records["events", shard]]


def without_ticks(events: list) -> list:
    return [event for event in events if not isinstance(event, Tick)]


def undisturbed(shards: int = 1) -> MemoryLog:
    log = MemoryLog()
    run(collect(ScriptedFeed(BATCHES, live=True), log, shards, clock=clock))
    return log


async def failures(log: MemoryLog, count: int) -> None:
    """Wait until the collector tried so often in vain."""
    while log.failures < count:
        await asyncio.sleep(0.01)


def outage(log: MemoryLog, before: int = 3, during: int = 10) -> list:
    """A script: some batches, then the log is away for some, then the rest."""

    async def go():
        await everything_written(log)
        log.away = True

    async def come_back():
        await failures(log, 2)
        log.away = False

    return [*BATCHES[:before], go, *BATCHES[before : before + during], come_back, *BATCHES[before + during :]]


async def everything_written(log: MemoryLog) -> None:
    """Wait until the log stops growing."""
    size = -1
    while size != (size := sum(map(len, log.records.values()))):
        await asyncio.sleep(0.1)


@pytest.mark.req("FS-EC-01", "FS-SC-004")
def test_below_the_limit_an_outage_of_the_log_loses_nothing():
    """The log afterwards is that of an undisturbed run, byte for byte."""
    log = MemoryLog()
    summary = run(collect(ScriptedFeed(outage(log), live=True), log, 1, clock=clock, buffer_limit=10_000))

    assert log.failures >= 2
    assert summary.dropped == 0
    assert log.records["events", 0] == undisturbed().records["events", 0]


@pytest.mark.req("FS-EC-01")
def test_beyond_the_limit_the_oldest_are_dropped_counted_and_marked_by_gaps():
    """Kept and dropped make up the whole; each gap spans what was dropped of its symbol and channel, and stands where
    it was missing."""
    log = MemoryLog()
    summary = run(collect(ScriptedFeed(outage(log), live=True), log, 1, clock=clock, buffer_limit=300))
    whole, kept = undisturbed().records["events", 0], log.records["events", 0]
    values = {record.value for record in kept}
    dropped = [decode_event(record.value) for record in whole if record.value not in values]
    events = events_in(log)
    gaps = [event for event in events if isinstance(event, Gap)]
    spans = {}
    for event in without_ticks(dropped):
        key = (event.symbol, CHANNEL_OF[type(event).__name__])
        spans[key] = (spans.get(key, (event.recv, 0))[0], event.recv)

    assert len(dropped) == summary.dropped > 100
    assert {(gap.symbol, gap.channel): (gap.start, gap.end) for gap in gaps} == spans
    assert {gap.reason for gap in gaps} == {"log away, buffer full"}
    assert [record for record in whole if record.value in values] == [
        record for record in kept if not isinstance(decode_event(record.value), Gap)
    ]
    # The ticks of this test's clock, which stands still, are all at the start.
    market = without_ticks(events)
    place = market.index(gaps[0])
    assert market[place : place + len(gaps)] == gaps
    assert max(event.recv for event in market[:place]) <= min(gap.start for gap in gaps)
    assert min(event.recv for event in market[place + len(gaps) :]) >= max(gap.end for gap in gaps)


def test_a_feed_that_can_wait_loses_nothing_whatever_the_limit():
    log = MemoryLog()

    async def go():
        log.away = True
        asyncio.get_running_loop().create_task(come_back())

    async def come_back():
        await failures(log, 3)
        log.away = False

    script = [*BATCHES[:3], go, *BATCHES[3:]]
    summary = run(collect(ScriptedFeed(script), log, 1, buffer_limit=10))

    assert log.failures >= 3 and summary.dropped == 0
    assert len(without_ticks(events_in(log))) == len(without_ticks(events_in(undisturbed())))


@settings(max_examples=12, deadline=None)
@given(fates=st.lists(st.one_of(st.none(), st.tuples(st.floats(0, 1), st.booleans())), max_size=12))
def test_appends_that_fail_half_way_leave_neither_holes_nor_repeats(fates):
    """Whatever part of a batch was written before the failure, also several times, beside another writer."""
    log, left = MemoryLog(), list(fates)

    def fate(topic, shard, records):
        failure = left.pop(0) if left else None
        if failure is None:
            return None
        part, stranger = failure
        if stranger:
            log.records[topic, shard].append(NewRecord(b"", b'{"type":"stranger"}', START))
        return round(part * len(records))

    log.fate = fate
    run(collect(ScriptedFeed(BATCHES[:6], live=True), log, 2, clock=clock))
    expected = MemoryLog()
    run(collect(ScriptedFeed(BATCHES[:6], live=True), expected, 2, clock=clock))
    for shard in range(2):
        ours = [record for record in log.records["events", shard] if b"stranger" not in record.value]
        assert ours == expected.records["events", shard]


def test_a_log_that_is_away_at_the_start_is_waited_for():
    log = MemoryLog()
    log.away = True

    async def scenario():
        collecting = asyncio.create_task(collect(ScriptedFeed(BATCHES), log, 1))
        await failures(log, 2)
        log.away = False
        return await collecting

    assert run(scenario()).frames == len(FRAMES)


def test_stopping_while_the_log_is_away_ends_and_counts_what_could_not_be_written():
    log, stop, forever = MemoryLog(), asyncio.Event(), asyncio.Event()

    async def go():
        await everything_written(log)
        log.away = True

    async def halt():
        await failures(log, 1)
        stop.set()
        await forever.wait()

    feed = ScriptedFeed([*BATCHES[:2], go, *BATCHES[2:6], halt], live=True)
    summary = run(collect(feed, log, 1, stop=stop, clock=clock, last_words=0.2))
    written = len(log.records["events", 0])

    assert summary.dropped > 0
    assert summary.appended == written
    assert summary.appended + summary.dropped == sum(summary.events.values())


@pytest.mark.req("FS-EC-01")
def test_a_restarted_collector_first_records_what_it_missed(tmp_path: Path):
    """From the clock of the log's end to its own first frame, for each symbol and channel, in the symbol's shard.

    They stand at the clock of the log's end, before the tick that turns it: the seconds that the tick closes are known
    to be unsound.
    """
    log = SqliteLog(tmp_path)
    run(collect(DemoFeed(["BTCUSDT", "ETHUSDT"], speed=None, seconds=3), log, 2))
    ends = [log.end("events", shard) for shard in range(2)]
    later = DemoFeed(["BTCUSDT", "ETHUSDT"], speed=None, seconds=3, start=START + 60 * SECOND)
    run(collect(later, log, 2))
    gaps = []
    for shard, end in enumerate(ends):
        records = log.reader("events", shard, end).poll(10_000)
        after = [decode_event(record.value) for record in records]
        gaps += after[:4]
        assert after[4] == Tick(START + 60 * SECOND)
        assert all(isinstance(event, Gap) for event in after[:4]) and isinstance(after[5], Kline)

    assert {(gap.symbol, gap.channel) for gap in gaps} == {(s, c) for s in ("BTCUSDT", "ETHUSDT") for c in CHANNELS}
    assert {gap.start for gap in gaps} == {gap.recv for gap in gaps} == {START + 3 * SECOND}
    assert all(START + 60 * SECOND <= gap.end < START + 61 * SECOND for gap in gaps)
    assert {gap.reason for gap in gaps} == {"collector restart"}


def test_a_recording_that_follows_another_leaves_gaps_for_what_was_collected_before():
    """It does not say beforehand which symbols it holds: those at the log's end count."""
    log = MemoryLog()
    run(collect(ScriptedFeed([FRAMES[:200]]), log, 1))
    end = len(log.records["events", 0])
    moved = [frame._replace(recv=frame.recv + 10 * SECOND) for frame in FRAMES[:200]]
    run(collect(ScriptedFeed([moved]), log, 1))
    gaps = [event for event in events_in(log)[end:] if isinstance(event, Gap)]

    assert {(gap.symbol, gap.channel) for gap in gaps} == {(s, c) for s in ("BTCUSDT", "ETHUSDT") for c in CHANNELS}
    assert events_in(log)[end : end + 9] == [*gaps, Tick(START + 10 * SECOND)]


def test_a_live_feed_is_told_where_the_known_gap_ends():
    log = MemoryLog()
    first, second = (ScriptedFeed([FRAMES[:50]], live=True, symbols=["BTCUSDT"]) for _ in range(2))
    run(collect(first, log, 1, clock=clock))
    run(collect(second, log, 1, clock=lambda: clock() + SECOND))

    assert first.resumed == []
    assert second.resumed == [clock() + SECOND]


PROGRAM = """
import asyncio, pathlib, sys
from connectors.demo.feed import DemoFeed
from connectors.log.sqlite import SqliteLog
from dataflows.collect import collect
asyncio.run(collect(DemoFeed(["BTCUSDT", "ETHUSDT"]), SqliteLog(pathlib.Path(sys.argv[1])), 2))
"""


@pytest.mark.req("FS-EC-01")
def test_a_killed_collector_leaves_a_readable_log_and_its_successor_a_gap(tmp_path: Path):
    """kill -9 in the middle of appending; every record that is there can be read, and the next run begins with gaps
    and a tick."""
    log = SqliteLog(tmp_path)
    for topic in ("events", "dead-letters", "commands"):
        log.create(topic, 2)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while log.end("events", 0) < 1_600 or log.end("events", 1) < 1_600:
            assert process.poll() is None
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    ends = [log.end("events", shard) for shard in range(2)]
    before = [
        decode_event(record.value) for shard in range(2) for record in log.reader("events", shard, 0).poll(99_999)
    ]
    run(collect(DemoFeed(["BTCUSDT", "ETHUSDT"], seconds=0.2), log, 2))
    after = [[decode_event(r.value) for r in log.reader("events", s, ends[s]).poll(5)] for s in range(2)]
    gaps = [event for events in after for event in events[:4]]

    assert len(before) == sum(ends)
    assert all(isinstance(events[4], Tick) and 0 < gaps[0].end - events[4].recv <= SECOND for events in after)
    assert all(isinstance(gap, Gap) and gap.reason == "collector restart" for gap in gaps) and len(gaps) == 8
    assert max(gap.start for gap in gaps) == max(event.recv for event in before)


@settings(max_examples=100, deadline=None)
@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.one_of(st.none(), st.tuples(st.sampled_from("ab"), st.booleans())), max_size=80),
)
def test_a_buffer_keeps_the_newest_in_order_and_gaps_cover_the_rest(limit, steps):
    """Against a plain list. ``None`` takes everything out; the others put a trade of a or b, or a tick, the newest of
    which is never dropped: without it nobody would believe the gaps behind it."""
    buffer, plain, lost, ticks, dropped = Buffer(limit), [], {}, [], 0
    for time, step in enumerate(steps, start=1):
        if step is None:
            taken = buffer.take(1_000)
            gaps = [decode_event(p.record.value) for p in taken if p.record.value.startswith(b'{"type":"gap"')]
            first = len(ticks[-1:])
            assert taken[:first] == ticks[-1:]
            assert {gap.symbol: (gap.start, gap.end) for gap in gaps} == lost
            assert taken[first + len(gaps) :] == plain
            plain, lost, ticks = [], {}, []
            continue
        symbol, tick = step
        name = (None, None) if tick else (symbol, "trades")
        plain.append(Pending("events", 0, NewRecord(None, b"%d" % time, time), *name, time, time))
        buffer.put(plain[-1])
        if len(plain) > limit:
            gone = plain.pop(0)
            if gone.symbol:
                dropped += 1
                lost[gone.symbol] = (lost.get(gone.symbol, (gone.since, 0))[0], gone.until)
            else:
                dropped += bool(ticks)
                ticks.append(gone)
        assert len(buffer) == len(plain) <= limit
        assert buffer.dropped == dropped


def test_a_buffer_without_room_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Buffer(0)
