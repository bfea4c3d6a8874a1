"""The quality stage against brute force, and its promises: any batches, any restart, any beginning, the same bytes."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.features import engine
from operators.quality.stage import LOOKBACK
from schemas.codec import encode
from schemas.market import AnyMarketEvent, BookDelta, Tick, Ticker, Trade
from tests.flows.told import told
from tests.quality import oracle
from tests.quality.small import SMALL, quality_of
from tests.streams import SECOND, START, raw, stream

MINUTE = 60 * SECOND
CHANNEL = ("received", "expected", "missing", "silence", "late", "duplicates", "gaps")


def with_holes(events: list[AnyMarketEvent], random: Random) -> list[AnyMarketEvent]:
    """Without anything but ticks in some stretches, one of them long enough for everything to be forgotten; and some
    events told twice, later, or with a wrong clock."""
    span = (events[-1].recv - START) // SECOND
    cut = [(begin := random.randrange(span), begin + random.choice([5, 40, 400, 700])) for _ in range(3)]
    out: list[AnyMarketEvent] = []
    for event in events:
        second = (event.recv - START) // SECOND
        if isinstance(event, Tick) or not any(a <= second < b for a, b in cut):
            out.append(event)
            dice = random.random()
            if dice < 0.01 and not isinstance(event, Tick):
                out.append(event)
            elif dice < 0.02 and isinstance(event, Trade | BookDelta | Ticker):
                wrong = random.choice([-3, 70]) * SECOND
                kept = {name: getattr(event, name) for name in event.__struct_fields__}
                if isinstance(event, Ticker):
                    out.append(Ticker(**kept | {"ts": event.ts - wrong}))
    return out


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
@pytest.mark.req("FS-FR-019", "TK-DQ-01")
def test_every_minute_is_what_brute_force_finds(seed: int) -> None:
    """Received, expected, missing, silence, late, repeated, gaps and skew, of every channel of every minute."""
    events = with_holes(stream(seed, 1_500), Random(seed))
    minutes, records = quality_of(events)
    expected = oracle.minutes(told(enumerate(events)), records)

    found = {(one.symbol, one.ts): one for one in minutes}
    assert len(found) == len(minutes)
    assert set(expected) <= set(found)
    for key in set(found) - set(expected):
        # A lost book keeps a symbol in sight for a while of which nothing else is known any more.
        assert not any(channel.received for channel in found[key].channels.values()), key
    for key in sorted(expected):
        minute = found[key]
        for name, wanted in expected[key]["channels"].items():
            channel = minute.channels[name]
            skip = {"expected", "missing"} if name == "kline" else set()
            skip |= {"duplicates"} if name in ("kline", "funding") else set()
            got = {field: getattr(channel, field) for field in CHANNEL if field not in skip}
            assert got == {field: value for field, value in wanted.items() if field not in skip}, (key, name)
        assert abs(minute.skew) == expected[key]["skew"], key


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_batches_and_restarts_give_the_same_bytes(seed: int) -> None:
    """The state is snapshotted and restored between batches."""
    random = Random(seed)
    messages = raw(with_holes(stream(seed, 400), random))
    whole = engine(SMALL, 0).feed(messages)
    part, outputs, at = engine(SMALL, 0), [], 0
    while at < len(messages):
        step = random.randint(1, 60)
        outputs += part.feed(messages[at : at + step])
        at += step
        state = part.snapshot()
        part = engine(SMALL, 0)
        part.restore(state)

        assert part.snapshot() == state
    assert outputs == whole


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
@pytest.mark.req("FS-FR-019")
def test_a_replay_from_one_look_back_earlier_finds_the_same(seed: int) -> None:
    """Everything is a pure function of a bounded past, also across silences that end it."""
    random = Random(seed)
    events = with_holes(stream(seed, 2_400), random)
    messages = raw(events)
    whole = [one for one in engine(SMALL, 0).feed(messages) if one.topic.startswith("quality")]
    at = START + random.randrange(LOOKBACK // SECOND + 60, 2_300) * SECOND
    first = next(place for place, event in enumerate(events) if isinstance(event, Tick) and event.recv >= at - LOOKBACK)
    again = [one for one in engine(SMALL, 0).feed(messages[first:]) if one.topic.startswith("quality")]

    assert [one for one in again if one.timestamp > at] == [one for one in whole if one.timestamp > at]


def test_outputs_of_the_other_stages_keep_their_places() -> None:
    """Quality stands last: what it makes comes behind what the others make of the same event."""
    outputs = engine(SMALL, 0).feed(raw(stream(5, 300)))
    by_offset: dict[int, list[Any]] = {}
    for one in outputs:
        by_offset.setdefault(one.origin.offset, []).append(one)
    for found in by_offset.values():
        own = [one.topic == "quality-minutes" for one in found]
        assert own == sorted(own)
        assert [one.origin.index for one in found] == list(range(len(found)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5 * SECOND), st.floats(-0.002, 0.002) | st.sampled_from([0.08, -0.06, 0.004])),
        min_size=40,
        max_size=160,
    )
)
@pytest.mark.req("TK-DQ-01")
def test_spikes_are_those_that_brute_force_finds(steps: list[tuple[int, float]]) -> None:
    """By numpy, over the closes of the last 300 seconds, for each trade again."""
    clock, price, trades = START, 100.0, []
    events: list[AnyMarketEvent] = [Tick(START)]
    for number, (wait, move) in enumerate(steps):
        clock, price = clock + wait, max(price * (1 + move), 1.0)
        trades.append((clock, price))
        events.append(Trade("AAA", clock, clock, str(number), "buy", price, 1.0))
    events.append(Tick(clock + 2 * MINUTE))
    minutes, records = quality_of(events)

    wanted = oracle.spikes(trades)
    assert sum(minute.anomalies.get("trade.spike", 0) for minute in minutes) == len(wanted)
    said = [one.ts for one in records if one.problem == "trade.spike"]
    assert {-(-one // SECOND) for one in said} == {-(-one // SECOND) for one in wanted}
    assert len(said) == len({-(-one // SECOND) for one in said})


@pytest.mark.parametrize("shards", [1, 3])
def test_what_is_written_of_a_symbol_does_not_depend_on_its_neighbours(shards: int) -> None:
    """Beside its place on the log."""
    events = stream(7, 500)
    alone = [event for event in events if getattr(event, "symbol", "AAA") == "AAA"]

    def bare(events: list[AnyMarketEvent]) -> list[bytes]:
        minutes = [one for one in quality_of(events)[0] if one.symbol == "AAA"]
        return [encode([one.ts, one.channels, one.desynchronised, one.blind, one.anomalies]) for one in minutes]

    assert bare(alone) == bare(events)
