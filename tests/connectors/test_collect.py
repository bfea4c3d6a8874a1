"""The collect flow: the same frames give the same log, every record at its place."""

import asyncio
import json
import threading
from collections import defaultdict
from itertools import islice, pairwise
from pathlib import Path

import pytest

from connectors.bybit.parse import BybitParser
from connectors.demo.faults import FaultRates
from connectors.demo.feed import START, DemoFeed
from connectors.demo.market import Market
from connectors.demo.server import DemoServer
from connectors.feeds import CHANNELS, Lost
from connectors.frames import Frame
from connectors.log import LogError, NewRecord
from connectors.log.sqlite import SqliteLog
from connectors.replay import RecordedFeed
from dataflows.collect import collect
from schemas.codec import decode_dead_letter, decode_event, encode
from schemas.command import Resync
from schemas.market import BookSnapshot, Gap, Kline, Tick, Ticker, Trade
from schemas.topics import shard_of
from tests.connectors.memory_log import MemoryLog
from tests.connectors.scripted_feed import ScriptedFeed

HANG = 120.0
SHARDS = 3
SECOND = 1_000_000
BYBIT_FILE = "bybit_ws/bybit_v5_linear_spot_20260809.jsonl.gz"


def run(coroutine):
    """Run to the end; a hang is an error."""
    return asyncio.run(asyncio.wait_for(coroutine, HANG))


def demo_frames(count: int, symbols=("BTCUSDT", "ETHUSDT"), seed: int = 1) -> list[Frame]:
    return list(islice(Market(symbols, seed, START).frames(), count))


def events_in(log: MemoryLog, shard: int) -> list:
    return [decode_event(record.value) for record in log.records["events", shard]]


def all_events(log: MemoryLog, shards: int = SHARDS) -> list:
    return [event for shard in range(shards) for event in events_in(log, shard)]


def content(log, topic: str = "events", shards: int = SHARDS) -> list:
    """Every record of a topic, as read."""
    found = []
    for shard in range(shards):
        reader = log.reader(topic, shard, log.start(topic, shard))
        while records := reader.poll(5_000):
            found += [(shard, *record) for record in records]
        reader.close()
    return found


@pytest.mark.req("FS-FR-008")
def test_a_recorded_session_gives_the_same_bytes_every_time(shared_data: Path, tmp_path: Path):
    """As fast as possible and a thousand times real time, in two logs: offsets, keys, values and timestamps."""
    logs = []
    for name, speed in (("one", None), ("two", None), ("paced", 1_000.0)):
        log = SqliteLog(tmp_path / name)
        summary = run(collect(RecordedFeed(shared_data / BYBIT_FILE, speed), log, SHARDS))
        assert summary.frames == 2_347 and summary.dropped == 0
        logs.append(log)
    first = content(logs[0])

    assert len(first) > 2_347
    assert content(logs[1]) == first
    assert content(logs[2]) == first
    assert content(logs[1], "dead-letters") == content(logs[0], "dead-letters")


def test_events_of_a_recorded_session_are_those_of_the_parser_in_order(shared_data: Path):
    """An oracle that parses the file itself, shard by shard; only ticks come on top."""
    log, feed, parser = MemoryLog(), RecordedFeed(shared_data / BYBIT_FILE), BybitParser()
    run(collect(feed, log, SHARDS))
    expected = defaultdict(list)
    for frame in feed.recording:
        for event in parser.parse(frame).events:
            expected[shard_of(event.symbol, SHARDS)].append(event)

    for shard in range(SHARDS):
        assert [event for event in events_in(log, shard) if not isinstance(event, Tick)] == expected[shard]


def test_the_demo_exchange_gives_the_same_log_for_the_same_seed(tmp_path: Path):
    def collected(name: str, seed: int):
        log = SqliteLog(tmp_path / name)
        run(collect(DemoFeed(["BTCUSDT", "ETHUSDT"], seed, speed=None, seconds=20), log, SHARDS))
        return content(log)

    assert collected("one", 3) == collected("two", 3)
    assert collected("three", 3) != collected("four", 4)


def test_every_record_stands_in_its_symbols_shard_with_its_key_and_receive_time():
    log = MemoryLog()
    run(collect(DemoFeed(["BTCUSDT", "ETHUSDT", "SOLUSDT"], speed=None, seconds=5), log, SHARDS))
    for shard in range(SHARDS):
        for record in log.records["events", shard]:
            event = decode_event(record.value)
            assert record.timestamp == event.recv
            if isinstance(event, Tick):
                assert record.key is None
            else:
                assert record.key == event.symbol.encode()
                assert shard == shard_of(event.symbol, SHARDS)


def test_every_shard_gets_a_tick_each_second_until_the_last_frames_is_over():
    """Also shards without a symbol."""
    log = MemoryLog()
    run(collect(DemoFeed(["BTCUSDT"], speed=None, seconds=12), log, SHARDS))
    for shard in range(SHARDS):
        ticks = [event.recv for event in events_in(log, shard) if isinstance(event, Tick)]
        assert ticks == [START + second * SECOND for second in range(13)]


def test_a_tick_stands_before_the_first_event_beyond_its_second():
    """Between two ticks stands what was received between them, the end included; the first one is of the start."""
    log = MemoryLog()
    run(collect(DemoFeed(["BTCUSDT"], speed=None, seconds=12), log, 1))
    begin, *events = events_in(log, 0)
    assert begin == Tick(START)
    last = START
    for event in events[1_500:]:
        if isinstance(event, Tick):
            assert event.recv == last + SECOND
            last = event.recv
        else:
            assert last < event.recv <= last + SECOND


def test_history_comes_first_as_backfilled_candles():
    """Only the session's first tick stands before it."""
    log = MemoryLog()
    run(collect(DemoFeed(["BTCUSDT", "ETHUSDT"], speed=None, seconds=1), log, 1))
    begin, *events = events_in(log, 0)

    assert begin == Tick(START)
    assert all(isinstance(event, Kline) and event.backfilled and event.closed for event in events[:3_000])
    assert not any(getattr(event, "backfilled", False) for event in events[3_000:])


def test_what_cannot_be_read_goes_to_dead_letters_with_reason_and_bytes():
    """One letter for each broken frame, and the rest of the log as if the broken frames had been lost."""
    clean = demo_frames(3_000)
    broken = {index: frame._replace(data=frame.data[:-1]) for index, frame in enumerate(clean) if index % 10 == 3}
    log, without = MemoryLog(), MemoryLog()
    summary = run(collect(ScriptedFeed([[broken.get(i, frame) for i, frame in enumerate(clean)]]), log, SHARDS))
    run(collect(ScriptedFeed([[f for i, f in enumerate(clean) if i not in broken]]), without, SHARDS))
    letters = [decode_dead_letter(r.value) for s in range(SHARDS) for r in log.records["dead-letters", s]]

    assert [letter.raw for letter in letters] == [frame.data for frame in broken.values()]
    assert [letter.recv for letter in letters] == [frame.recv for frame in broken.values()]
    assert {letter.source for letter in letters} == {"collect/bybit"}
    assert all("not a Bybit v5 message" in letter.reason for letter in letters)
    assert sum(summary.bad.values()) == len(broken)
    assert all_events(log) == all_events(without)


def test_events_that_make_no_sense_and_unknown_symbols_go_to_dead_letters():
    """A crossed snapshot is refused by the checks; a symbol that nobody asked for by the setting."""
    crossed = (
        b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1750000000000,"data":{"s":"BTCUSDT",'
        b'"b":[["11","1"]],"a":[["10","1"]],"u":5,"seq":1}}'
    )
    frames = [*demo_frames(200), Frame("bybit", "linear", START + 10 * SECOND, crossed)]
    log = MemoryLog()
    summary = run(collect(ScriptedFeed([frames]), log, SHARDS, symbols={"BTCUSDT"}))
    letters = [decode_dead_letter(r.value) for s in range(SHARDS) for r in log.records["dead-letters", s]]
    strangers = [letter for letter in letters if "unknown symbol" in letter.reason]
    senseless = [letter for letter in letters if letter not in strangers]

    assert {letter.symbol for letter in strangers} == {"ETHUSDT"}
    assert {event.symbol for event in all_events(log) if not isinstance(event, Tick)} == {"BTCUSDT"}
    assert [(letter.symbol, letter.raw) for letter in senseless] == [("BTCUSDT", crossed)]
    assert summary.bad["unknown symbol"] == len(strangers) and summary.bad["crossed"] == 1


def test_a_huge_broken_message_is_cut_so_that_the_log_can_take_it(tmp_path: Path):
    log = SqliteLog(tmp_path)
    run(collect(ScriptedFeed([[Frame("bybit", "linear", START, b'{"topic":"' + b"x" * 3_000_000)]]), log, 1))
    (letter,) = (decode_dead_letter(record[3]) for record in content(log, "dead-letters", 1))

    assert len(letter.raw) == 256 * 1024
    assert "of 3000010 bytes" in letter.reason


def test_enriching_events_follow_the_event_that_brought_them():
    """Here a marker behind each trade and each tick; both reach the right shard."""
    marker = {}

    def enrich(event):
        if isinstance(event, Trade):
            marker[event.symbol] = BookSnapshot(event.symbol, event.ts, event.recv, 1, [], [], keyframe=True)
            return [event, marker[event.symbol]]
        return [event]

    log = MemoryLog()
    run(collect(ScriptedFeed([demo_frames(500)]), log, SHARDS, enrich=enrich))
    for shard in range(SHARDS):
        events = events_in(log, shard)
        for event, after in pairwise(events):
            assert isinstance(event, Trade) == (isinstance(after, BookSnapshot) and after.keyframe)


def test_a_lost_connection_makes_the_parser_forget_its_tickers():
    """Deltas after it wait for the next ticker snapshot instead of changing an old one."""
    frames = [frame for frame in demo_frames(2_000, ["BTCUSDT"]) if b'"tickers' in frame.data[:30]]
    log = MemoryLog()
    run(collect(ScriptedFeed([frames[:50], [Lost("bybit", "linear")], frames[50:]]), log, 1))

    assert sum(isinstance(event, Ticker) for event in events_in(log, 0)) == 50


@pytest.mark.req("FS-SC-006", "FS-US-4.3")
def test_a_resync_command_brings_a_snapshot(tmp_path: Path):
    """A command that stands on the topic already is not obeyed, one that comes now is, an unreadable one is passed."""
    log = with_topics(SqliteLog(tmp_path))
    stop = asyncio.Event()

    def order(symbol: str, value: bytes | None = None) -> None:
        value = value or encode(Resync(symbol, START, "test"))
        log.append("commands", shard_of(symbol, 2), [NewRecord(symbol.encode(), value, START)])

    async def scenario():
        order("BTCUSDT")
        feed = DemoFeed(["BTCUSDT", "ETHUSDT"], speed=1.0)
        collecting = asyncio.create_task(collect(feed, log, 2, stop=stop))
        await seen(log, lambda event: isinstance(event, Trade))
        order("ETHUSDT", b"garbage")
        order("ETHUSDT")
        await seen(log, lambda event: isinstance(event, BookSnapshot), times=3)
        stop.set()
        return await collecting

    summary = run(scenario())
    snapshots = [e for e in map(decode_event, (r[3] for r in content(log, "events", 2))) if isinstance(e, BookSnapshot)]

    assert sorted(snapshot.symbol for snapshot in snapshots) == ["BTCUSDT", "ETHUSDT", "ETHUSDT"]
    assert summary.resyncs == 1


def with_topics(log):
    """A log of two shards on which everything exists already."""
    for name in ("events", "dead-letters", "commands"):
        log.create(name, 2)
    return log


async def seen(log, wanted, times: int = 1) -> None:
    """Wait until so many events of a kind stand on a log of two shards."""
    while sum(bool(wanted(decode_event(record[3]))) for record in content(log, "events", 2)) < times:
        await asyncio.sleep(0.02)


def test_stopping_writes_what_was_received_and_ends_everything():
    """No thread, no task is left behind; the feed is closed."""
    stop, forever = asyncio.Event(), asyncio.Event()
    frames = demo_frames(300)
    feed = ScriptedFeed([frames, stop.set, forever.wait])
    log = MemoryLog()

    async def scenario():
        before = asyncio.all_tasks()
        summary = await collect(feed, log, SHARDS, stop=stop)
        return summary, asyncio.all_tasks() - before

    summary, left = run(scenario())

    assert summary.frames == 300 and summary.appended == sum(map(len, log.records.values()))
    assert feed.closed and not left
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("appender", "commands"))]


def test_cancelling_writes_what_was_received_too():
    begun, forever = asyncio.Event(), asyncio.Event()
    feed = ScriptedFeed([demo_frames(300), begun.set, forever.wait])
    log = MemoryLog()

    async def scenario():
        task = asyncio.create_task(collect(feed, log, SHARDS))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())

    assert feed.closed
    assert len([event for event in all_events(log) if not isinstance(event, Tick)]) >= 300


def test_another_number_of_shards_ends_with_the_logs_own_words(tmp_path: Path):
    log = SqliteLog(tmp_path)
    log.create("events", 5)

    with pytest.raises(LogError, match="events exists with 5 shards, not 2"):
        run(collect(ScriptedFeed([demo_frames(10)]), log, 2))


def test_a_broken_feed_ends_the_flow_with_its_error_after_writing_what_came():
    def breaks():
        raise RuntimeError("the feed broke")

    log = MemoryLog()
    with pytest.raises(RuntimeError, match="the feed broke"):
        run(collect(ScriptedFeed([demo_frames(100), breaks]), log, 1))

    assert len(log.records["events", 0]) >= 100


def test_progress_is_told_while_it_runs():
    told = []

    async def wait():
        await asyncio.sleep(0.3)

    script = [demo_frames(10), wait, demo_frames(10), wait, demo_frames(10)]
    run(collect(ScriptedFeed(script), MemoryLog(), 1, progress=lambda summary: told.append(summary.frames)))

    assert told and told == sorted(told)


def test_a_live_feed_ticks_by_the_wall_clock():
    """Silence has its ticks too, and none is made for the future."""
    now = [START + 300_000]

    def later(microseconds):
        return lambda: now.__setitem__(0, now[0] + microseconds)

    frame = demo_frames(1)[0]
    script = [
        [frame._replace(recv=START + 200_000)],
        later(2 * SECOND),
        [],
        later(SECOND),
        [frame._replace(recv=START + 3_100_000)],
    ]
    log = MemoryLog()
    run(collect(ScriptedFeed(script, live=True), log, 2, clock=lambda: now[0]))
    begin, *events = events_in(log, shard_of("BTCUSDT", 2))

    assert begin == Tick(START)
    assert [type(event).__name__ for event in events[:5]] == ["BookSnapshot", "Tick", "Tick", "Tick", "BookSnapshot"]
    assert [event.recv - START for event in events[1:4]] == [SECOND, 2 * SECOND, 3 * SECOND]


@pytest.mark.req("FS-EC-01", "FS-US-3.1")
def test_the_live_feed_reaches_the_log_through_faults_and_drops(tmp_path: Path):
    """Real sockets, broken frames, broken connections: gaps and dead letters on the log, books that go on."""
    from connectors.bybit.connection import Timing
    from connectors.bybit.live import BybitFeed

    log = with_topics(SqliteLog(tmp_path))
    stop = asyncio.Event()
    timing = Timing(heartbeat=0.1, silence=60.0, opening=60.0, first_pause=0.02, longest_pause=0.1)

    async def scenario():
        async with DemoServer(["BTCUSDT", "ETHUSDT"], rates=FaultRates(malformed=0.1, lost=0.02)) as server:
            feed = BybitFeed(["BTCUSDT", "ETHUSDT"], url=server.ws_url, rest_url=server.rest_url, timing=timing)
            collecting = asyncio.create_task(collect(feed, log, 2, stop=stop))
            await seen(log, lambda event: isinstance(event, Trade), times=5)
            server.drop()
            await seen(log, lambda event: isinstance(event, Gap), times=16)
            await seen(log, lambda event: isinstance(event, Tick), times=2)
            while log.end("dead-letters", 0) + log.end("dead-letters", 1) < 3:
                await asyncio.sleep(0.02)
            stop.set()
            return await collecting

    summary = run(scenario())
    events = [decode_event(record[3]) for record in content(log, "events", 2)]
    gaps = [event for event in events if isinstance(event, Gap)]

    assert {(gap.symbol, gap.channel) for gap in gaps} == {(s, c) for s in ("BTCUSDT", "ETHUSDT") for c in CHANNELS}
    assert sum(getattr(event, "backfilled", False) for event in events) >= 3_000
    assert summary.dropped == 0
    assert summary.appended == len(events) + len(content(log, "dead-letters", 2))


def test_summary_says_what_was_collected():
    log = MemoryLog()
    summary = run(collect(DemoFeed(["BTCUSDT"], speed=None, seconds=3), log, 1))
    kinds = defaultdict(int)
    for record in log.records["events", 0]:
        kinds[json.loads(record.value)["type"]] += 1

    assert dict(summary.events) == kinds
    assert summary.appended == sum(kinds.values())
