"""Bad input: none of it stops the engine, all of it is told, and the rest is as if it had never been there."""

import json
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from connectors.lookback import lookback_offset
from connectors.resume import restart_gaps
from dataflows.features import engine
from schemas.codec import decode_dead_letter, decode_event, decode_vector, encode
from schemas.dead import RAW_LIMIT, DeadLetter
from schemas.market import Tick, Trade
from schemas.output import Output
from schemas.vector import FeatureVector
from tests.flows.damage import HOUR, NONSENSE, UNREADABLE, Damage, long_ago, with_fields
from tests.flows.made import FEATURES
from tests.streams import SECOND, START, stream

SEEDS = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)


def session(seed: int, seconds: int = 130) -> list[bytes]:
    """A plausible stream of two symbols that begins with a tick, as every session does."""
    return [encode(Tick(START)), *map(encode, stream(seed, seconds))]


def run(messages: Sequence[bytes]) -> list[Output]:
    return engine(FEATURES, 0).feed(enumerate(messages))


def letters(outputs: list[Output]) -> list[DeadLetter]:
    return [decode_dead_letter(output.value) for output in outputs if output.topic == "dead-letters"]


def vectors(outputs: list[Output]) -> list[FeatureVector]:
    return [decode_vector(output.value) for output in outputs if output.topic == "features"]


def told(outputs: list[Output]) -> list[tuple]:
    """Everything but the dead letters, without its place in the log."""
    kept = [output for output in outputs if output.topic != "dead-letters"]
    return [(o.topic, o.key, o.timestamp, json.loads(o.value) | {"origin": None}) for o in kept]


def inserted(messages: list[bytes], extra: list[bytes], random: Random) -> tuple[list[bytes], dict[int, bytes]]:
    """The messages with others between them (after the first), and at which offsets those are."""
    places = sorted(random.randrange(1, len(messages) + 1) for _ in extra)
    whole = list(messages)
    for shift, (place, message) in enumerate(zip(places, extra, strict=True)):
        whole.insert(place + shift, message)
    return whole, {place + shift: message for shift, (place, message) in enumerate(zip(places, extra, strict=True))}


@given(SEEDS, st.lists(st.sampled_from(UNREADABLE), min_size=1, max_size=20))
@few
@pytest.mark.req("FS-EC-01")
def test_each_unreadable_message_is_one_dead_letter_and_the_rest_is_untouched(seed, damages):
    """With its bytes, a reason and its own origin; every other output is what it was."""
    random, clean = Random(seed), session(seed)
    bad = [damage(random.choice(clean), random) for damage in damages]
    messages, places = inserted(clean, bad, random)
    outputs = run(messages)

    found = [(letter.origin, letter.raw) for letter in letters(outputs)]
    assert found == [((0, offset, 0), message[:RAW_LIMIT]) for offset, message in places.items()]
    assert all(letter.reason for letter in letters(outputs))
    assert told(outputs) == told(run(clean))


@given(SEEDS)
@few
def test_fields_that_nobody_knows_are_ignored(seed):
    """A later version may add fields; not a byte of the outputs changes."""
    random, clean = Random(seed), session(seed, 60)
    later = [with_fields(message, later=random.choice([None, "x", 10**30, [[{}]], {"recv": 1}])) for message in clean]

    assert run(later) == run(clean)


@given(SEEDS, st.lists(st.integers(61 * SECOND, 70 * 365 * 24 * HOUR), min_size=1, max_size=10))
@few
@pytest.mark.req("FS-EC-01")
def test_events_from_the_future_are_dead_letters_and_the_rest_is_untouched(seed, ahead):
    """More than a minute ahead of the clock; a tick alone could say so."""
    random, clean = Random(seed), session(seed)
    recv = json.loads(clean[-1])["recv"]
    events = [message for message in clean if b'"tick"' not in message]
    bad = [with_fields(random.choice(events), recv=recv + span) for span in ahead]
    messages, places = inserted(clean, bad, random)
    outputs = run(messages)

    assert [(letter.origin.offset, letter.raw) for letter in letters(outputs)] == list(places.items())
    assert all("dated in the future" in letter.reason for letter in letters(outputs))
    assert told(outputs) == told(run(clean))


@given(SEEDS, st.integers(61 * SECOND, 70 * 365 * 24 * HOUR), st.integers(0, 100))
@few
def test_a_first_event_from_the_future_does_not_stop_the_shard(seed, ahead, number):
    """There is no clock to refuse it by; the first tick takes it back."""
    clean = session(seed)
    events = [message for message in clean if b'"tick"' not in message]
    first = with_fields(events[number % len(events)], recv=START + ahead)

    outputs = run([first, *clean])
    assert told([output for output in outputs if output.origin.offset]) == told(run(clean))


@given(SEEDS, st.lists(st.sampled_from([*NONSENSE, *UNREADABLE]), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
@pytest.mark.req("FS-EC-01")
def test_whatever_is_said_of_one_symbol_the_other_keeps_its_features(seed, damages):
    """Messages of AAA and ticks are damaged, repeated and swapped: all goes on, and BBB is what it was."""
    random, clean = Random(seed), session(seed)
    messages = spoiled(clean, damages, random)
    outputs = run(messages)

    origins = [output.origin for output in outputs]
    assert all(before < after for before, after in pairwise(origins))
    for vector in vectors(outputs):
        assert all(value is None or isfinite(value) for value in vector.features.values())
    until = agree(clean, messages, outputs, "BBB")
    assert seen(outputs, "BBB", until) == seen(run(clean), "BBB", until)


def spoiled(clean: list[bytes], damages: list[Damage], random: Random) -> list[bytes]:
    """Messages of AAA and ticks damaged, repeated, or in the place of a neighbour; those of BBB keep their order."""
    messages, sound = list(clean), frozenset(clean)
    for damage in damages:
        place = random.choice([i for i, message in enumerate(messages) if i > 1 and b'"BBB"' not in message])
        if messages[place] not in sound:
            continue
        change = random.choice(["replace", "insert", "insert", "repeat", "swap"])
        if change == "replace":
            messages[place] = damage(messages[place], random)
        elif change == "swap":
            messages[place], messages[place - 1] = messages[place - 1], messages[place]
        else:
            extra = damage(messages[place], random) if change == "insert" else messages[place]
            messages.insert(place, extra)
    return messages


def accepted(messages: list[bytes], outputs: list[Output], symbol: str) -> tuple[list[tuple[int, bytes]], int]:
    """What was accepted of a symbol, each message with the shard's clock at it; and the clock at the end."""
    refused = {letter.origin.offset for letter in letters(outputs)}
    clock, found = 0, []
    for offset, message in enumerate(messages):
        if offset not in refused:
            event = decode_event(message)
            clock = max(clock, event.recv)
            if getattr(event, "symbol", None) == symbol:
                found.append((clock, message))
    return found, clock


def agree(clean: list[bytes], messages: list[bytes], outputs: list[Output], symbol: str) -> int:
    """Up to when the symbol's messages came at the same clock in both runs (microseconds)."""
    one, end = accepted(clean, run(clean), symbol)
    other, other_end = accepted(messages, outputs, symbol)
    for here, there in zip(one, other, strict=False):
        if here != there:
            return min(here[0], there[0])
    left = [clock for clock, _ in one[len(other) :] + other[len(one) :]]
    return min(end, other_end, *left)


def seen(outputs: list[Output], symbol: str, until: int) -> list[tuple]:
    """What the symbol's vectors before a time say."""
    mine = [vector for vector in vectors(outputs) if vector.symbol == symbol and vector.ts < until]
    return [(vector.ts, vector.closes, vector.features, vector.tainted, vector.taint) for vector in mine]


@given(SEEDS, st.lists(st.sampled_from([*NONSENSE, *UNREADABLE]), min_size=1, max_size=30), st.integers(1, 60))
@few
@pytest.mark.req("FS-FR-008")
def test_bad_input_restarts_anywhere_with_the_same_bytes(seed, damages, size):
    """Whatever nonsense was accepted, the state can be kept and taken up again."""
    messages = list(enumerate(spoiled(session(seed), damages, Random(seed))))
    current, outputs = engine(FEATURES, 0), []
    for begin in range(0, len(messages), size):
        outputs += current.feed(messages[begin : begin + size])
        state = current.snapshot()
        current = engine(FEATURES, 0)
        current.restore(state)

    assert outputs == engine(FEATURES, 0).feed(messages)


@given(SEEDS, st.integers(1, 12))
@few
def test_late_messages_of_one_symbol_leave_the_other_alone(seed, count):
    """They are applied at the clock, and do not move it."""
    random, clean = Random(seed), session(seed)
    mine = [message for message in clean if b'"AAA"' in message]
    late = [long_ago(random.choice(mine), random) for _ in range(count)]
    messages, _ = inserted(clean, [message for message in late if json.loads(message)["recv"] <= START], random)

    outputs = run(messages)
    assert letters(outputs) == []
    assert seen(outputs, "BBB", 10**18) == seen(run(clean), "BBB", 10**18)


def test_whoever_else_looks_into_the_events_goes_on_too(tmp_path):
    """A collector that starts again looks at the end of the log, a rebuild looks for a tick: past all that is bad."""
    good = [encode(Tick(START)), encode(Trade("X", START, START, "1", "buy", 1.0, 1.0))]
    bad = [damage(good[1], Random(seed)) for damage in UNREADABLE for seed in range(9)]
    bad.append(with_fields(good[1], symbol="Y", recv=START + 9 * HOUR))
    log = SqliteLog(tmp_path)
    log.create("events", 1)
    messages = [good[1], *bad, *good, *bad]
    log.append("events", 0, [NewRecord(None, message, START + i * SECOND) for i, message in enumerate(messages)])

    assert [gap.symbol for gap in restart_gaps(log, 1, None, START + HOUR) if gap.channel == "trades"] == ["X"]
    assert lookback_offset(log, 0, START + SECOND) == messages.index(good[0])
