"""A lost book: asked for at once, in sync again with the snapshot that comes, and right.

On the demo exchange with its faults, and on real recordings that were cut, shuffled and repeated here (derived: what
is damaged is not what was recorded; the exchange's answers are made of the undamaged recording).
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from msgspec import structs

from connectors.demo.faults import FaultRates
from connectors.replay import RecordedFeed
from dataflows.collect import collect
from dataflows.features import engine
from schemas.codec import decode_command, decode_event, decode_quality, decode_quality_minute, decode_vector, encode
from schemas.command import Resync
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Tick
from schemas.quality import QualityMinute, QualityRecord
from schemas.vector import FeatureVector
from tests.connectors.memory_log import MemoryLog
from tests.flows.made import FEATURES
from tests.flows.test_bad_line import END, SYMBOLS, Ran
from tests.flows.told import told

SECOND = 1_000_000
MINUTE = 60 * SECOND
ANSWER = SECOND // 5
"""How long the exchange takes to send a whole book."""
FILES = {
    "bybit": ["bybit_ws/bybit_v5_linear_spot_20260809.jsonl.gz"],
    "spot": ["l2/binance_raw/spot_btcusdt_20240808.gz"],
    "futures": ["l2/binance_raw/usdm_btcusdt_20230404.gz"],
}
MOST = 5_000
"""Events of a recording that are used."""
Events = list[AnyMarketEvent]


class Replayed(NamedTuple):
    """What stood on the log, and what came of it."""

    events: Events
    vectors: list[FeatureVector]
    quality: list[QualityRecord]
    minutes: list[QualityMinute]
    asked: list[Resync]


class TrueBook:
    """Bids and asks by the undamaged recording, in plain dicts."""

    def __init__(self, events: Events, symbol: str) -> None:
        self.events = [e for e in events if isinstance(e, BookSnapshot | BookDelta) and e.symbol == symbol]
        self.symbol = symbol
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
        self.u = self.at = 0
        self.now = self.before = 0.0

    def until(self, time: int) -> None:
        """Everything received up to ``time``, which must not fall from call to call."""
        while self.at < len(self.events) and self.events[self.at].recv <= time:
            event = self.events[self.at]
            self.at += 1
            self.u = event.u
            for side, levels in zip(self.sides, (event.bids, event.asks), strict=True):
                if isinstance(event, BookSnapshot):
                    side.clear()
                side.update(levels)
                for price in [price for price, size in side.items() if not size]:
                    del side[price]
            self.now, self.before = (max(self.sides[0]) + min(self.sides[1])) / 2, self.now

    def whole(self, time: int) -> BookSnapshot:
        """What the exchange would send to a new subscriber."""
        self.until(time)
        bids, asks = ([*side.items()] for side in self.sides)
        return BookSnapshot(self.symbol, time, time, self.u, bids, asks)

    def mids(self, time: int) -> tuple[float, float]:
        """The mid at ``time``, and the one before the last update: a delta that came late may not have come yet."""
        self.until(time)
        return self.now, self.before


def replayed(damaged: Events, original: Events) -> Replayed:
    """The features flow over a damaged stream, beside an exchange that answers what the flow asks for."""
    books: dict[str, TrueBook] = {}
    answers: list[BookSnapshot] = []
    due: list[tuple[int, str]] = []
    flow, events, outputs = engine(FEATURES, 0), Events(), []

    def feed(event: AnyMarketEvent) -> None:
        made = flow.feed([(len(events), encode(event))])
        events.append(event)
        outputs.extend(made)
        for one in made:
            if one.topic == "commands":
                due.append((event.recv + ANSWER, one.key))

    for event in damaged:
        while due and due[0][0] < event.recv:
            time, symbol = due.pop(0)
            book = books.setdefault(symbol, TrueBook(original, symbol))
            answers.append(book.whole(time))
            feed(answers[-1])
        feed(event)
    of = {topic: [one.value for one in outputs if one.topic == topic] for topic in {one.topic for one in outputs}}
    return Replayed(
        events,
        [decode_vector(value) for value in of.get("features", [])],
        [decode_quality(value) for value in of.get("quality", [])],
        [decode_quality_minute(value) for value in of.get("quality-minutes", [])],
        [command for value in of.get("commands", []) if isinstance(command := decode_command(value), Resync)],
    )


def cut(events: Events, random: Random) -> Events:
    """One delta in a hundred is lost."""
    return [event for event in events if not isinstance(event, BookDelta) or random.random() > 0.01]


def shuffled(events: Events, random: Random) -> Events:
    """One event in fifty comes behind the three that followed it, and is received no earlier."""
    out = list(events)
    for place in range(len(out) - 4, -1, -1):
        if isinstance(out[place], BookDelta) and random.random() < 0.02:
            late = out.pop(place)
            out.insert(place + 3, structs.replace(late, recv=max(late.recv, out[place + 2].recv)))
    return out


def repeated(events: Events, random: Random) -> Events:
    """One event in ten comes twice in a row."""
    twice = [event for event in events if not isinstance(event, Tick)]
    chosen = {id(event) for event in twice if random.random() < 0.1}
    return [one for event in events for one in ([event, event] if id(event) in chosen else [event])]


@pytest.fixture(scope="module", params=list(FILES))
def recording(request: pytest.FixtureRequest, shared_data: Path) -> Events:
    """The undamaged events of a real recording, without keyframes."""
    log = MemoryLog()
    asyncio.run(collect(RecordedFeed([shared_data / file for file in FILES[request.param]]), log, 1))
    return [decode_event(record.value) for record in log.records["events", 0]][:MOST]


def losses(found: Replayed) -> Iterator[tuple[str, int, int | None]]:
    """(symbol, lost, found again), as the quality records tell it; None: not before the end."""
    for symbol in sorted({one.symbol for one in found.quality}):
        books = [one for one in found.quality if one.symbol == symbol and one.problem.startswith("book.")]
        begins, ends = books[::2], books[1::2]
        assert {one.problem for one in begins} <= {"book.desynchronised", "book.crossed"}
        assert {one.problem for one in ends} <= {"book.synchronised"}
        for number, begin in enumerate(begins):
            yield symbol, begin.ts, ends[number].ts if number < len(ends) else None


def check(found: Replayed, original: Events) -> int:
    """Every promise about lost books, for each loss; how many there were."""
    spans = list(losses(found))
    asked = {(command.symbol, command.ts) for command in found.asked}
    told_at = told(enumerate(found.events))
    arrived = {(one.event.symbol, one.clock) for one in told_at if isinstance(one.event, BookSnapshot)}
    for symbol, lost, again in spans:
        assert (symbol, lost) in asked, "not asked for at once"
        if again is not None:
            assert (symbol, again) in arrived, "in sync at another moment than that of the snapshot's arrival"
            after = [one for one in found.vectors if one.symbol == symbol and again <= one.ts < again + SECOND]
            lost_again = any(one == symbol and again <= begin <= again + SECOND for one, begin, _ in spans)
            assert lost_again or not any(one.tainted for one in after)
    for symbol in {one.symbol for one in found.vectors}:
        book = TrueBook(original, symbol)
        for vector in (one for one in found.vectors if one.symbol == symbol):
            away = any(one == symbol and a <= vector.ts and (b is None or vector.ts < b) for one, a, b in spans)
            assert vector.tainted == away
            mid = vector.features["mid_price"]
            assert mid is None or any(mid == pytest.approx(one, rel=1e-12) for one in book.mids(vector.ts))
    return len(spans)


@pytest.mark.req("FS-US-4.3", "FS-SC-006", "FS-EC-04", "FS-FR-021")
@pytest.mark.parametrize("damage", [cut, shuffled])
def test_derived_from_a_real_recording_each_lost_book_is_asked_for_at_once_and_right_with_the_snapshot(
    recording: Events, damage: Callable[[Events, Random], Events]
) -> None:
    """Lost deltas, and deltas out of order; the log's time counts. What is told in between is null, never wrong."""
    found = replayed(damage(recording, Random(4)), recording)

    assert check(found, recording) > 0
    minutes = sum(minute.desynchronised for minute in found.minutes)
    closed = {(one.symbol, one.ts) for one in found.minutes}
    inside = [lost for symbol, lost, _ in losses(found) if (symbol, -(-lost // MINUTE) * MINUTE) in closed]
    assert minutes == len(inside)


@pytest.mark.req("FS-US-4.1")
def test_derived_from_a_real_recording_what_comes_twice_loses_no_book_and_is_counted(recording: Events) -> None:
    found = replayed(repeated(recording, Random(4)), recording)
    clean = replayed(recording, recording)

    assert check(found, recording) == check(clean, recording) == 0
    assert [(one.ts, one.features) for one in found.vectors] == [(one.ts, one.features) for one in clean.vectors]
    for minute in found.minutes:
        for name in ("orderbook", "trades"):
            if (channel := minute.channels.get(name)) and channel.received > 200:
                assert 0.03 < channel.duplicates / channel.received < 0.15


@pytest.fixture(scope="module")
def bad_demo(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The demo exchange over a line that loses, repeats and reorders frames."""
    rates = FaultRates(lost=0.01, repeated=0.01, reordered=0.01, malformed=0.005)
    return Ran(tmp_path_factory.mktemp("bad"), rates, bad_until=END - 10 * SECOND)


@pytest.mark.req("FS-US-4.3", "FS-SC-006", "FS-EC-04", "FS-FR-021", "TK-DQ-01")
def test_on_the_demo_exchange_with_faults_each_lost_book_is_asked_for_at_once_and_in_sync_with_the_snapshot(
    bad_demo: Ran,
) -> None:
    """Also as the minutes count it: how often a book was lost, and for how long."""
    made = bad_demo.made
    commands = {(one.symbol, one.ts) for one in map(decode_command, made.of("commands")) if isinstance(one, Resync)}
    arrived = {
        (event.symbol, event.recv)
        for shard in made.events
        for event in shard
        if isinstance(event, BookSnapshot) and not event.keyframe
    }
    minutes = [decode_quality_minute(value) for value in made.of("quality-minutes")]
    for symbol in SYMBOLS:
        books = [one for one in made.quality if one.symbol == symbol and one.problem.startswith("book.")]
        spans = [(begin.ts, end.ts) for begin, end in zip(books[::2], books[1::2], strict=True)]
        assert len(spans) >= 5
        for lost, again in spans:
            assert (symbol, lost) in commands
            assert (symbol, again) in arrived
            after = next(vector for vector in made.vectors_of(symbol) if vector.ts >= again)
            assert after.ts - again < SECOND
        for minute in (one for one in minutes if one.symbol == symbol):
            begin, end = minute.ts - MINUTE, minute.ts
            assert minute.desynchronised == sum(begin < lost <= end for lost, _ in spans)
            blind = sum(max(0, min(again, end) - max(lost, begin)) for lost, again in spans)
            assert minute.blind == blind
