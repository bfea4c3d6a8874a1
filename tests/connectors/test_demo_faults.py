"""Each fault of the demo exchange does what it says, no more, and reports it."""

import json
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.bybit.parse import BybitParser
from connectors.demo.faults import FaultRates, Faults, inject
from connectors.demo.market import Market
from tests.connectors.frame_book import FrameBook, channel

START = 1_750_000_000_000_000
CLEAN = list(islice(Market(["BTCUSDT", "ETHUSDT"], 1, START).frames(), 3_000))
SEEDS = st.integers(0, 10_000)


def through(seed=1, frames=CLEAN, **rates):
    """The frames after the faults, and what the faults report."""
    faults = Faults(FaultRates(**rates), seed)
    return list(inject(frames, faults)), faults.report


def places(report, kind):
    return [fault.place for fault in report.faults if fault.kind == kind]


def test_without_rates_nothing_happens():
    arrived, report = through()

    assert arrived == CLEAN
    assert report.faults == []


def test_same_seed_gives_the_same_faults_and_another_seed_others():
    rates = {"lost": 0.02, "repeated": 0.02, "reordered": 0.02, "malformed": 0.02, "stalled": 0.001}

    assert through(4, **rates) == through(4, **rates)
    assert through(4, **rates)[0] != through(5, **rates)[0]


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_lost_frames_are_missing_and_no_others(seed):
    arrived, report = through(seed, lost=0.05)
    lost = places(report, "lost")

    assert arrived == [frame for index, frame in enumerate(CLEAN) if index not in set(lost)]
    assert 0 < len(lost) < 0.1 * len(CLEAN)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_repeated_frames_come_twice_in_a_row(seed):
    arrived, report = through(seed, repeated=0.05)
    twice = set(places(report, "repeated"))

    assert arrived == [frame for i, frame in enumerate(CLEAN) for _ in range(2 if i in twice else 1)]
    assert twice


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_a_reordered_frame_comes_behind_its_follower_and_no_earlier_in_time(seed):
    arrived, report = through(seed, reordered=0.05)
    late = places(report, "reordered")
    expected = list(CLEAN)
    for place in late:
        if place + 1 < len(CLEAN):
            expected[place], expected[place + 1] = expected[place + 1], expected[place]

    assert [frame.data for frame in arrived] == [frame.data for frame in expected]
    assert [frame.recv for frame in arrived] == sorted(frame.recv for frame in arrived)
    assert late


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_a_malformed_frame_cannot_be_read_and_the_others_are_untouched(seed):
    arrived, report = through(seed, malformed=0.05)
    broken = set(places(report, "malformed"))
    parser = BybitParser()

    assert len(arrived) == len(CLEAN)
    for index, (frame, clean) in enumerate(zip(arrived, CLEAN, strict=True)):
        parsed = parser.parse(frame)
        assert bool(parsed.bad) == (index in broken)
        assert (frame == clean) == (index not in broken)
        if index in broken:
            assert parsed.events == []
            assert parsed.bad[0].raw == frame.data


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_a_stall_holds_everything_back_and_loses_nothing(seed):
    """Nothing is received inside a stall; the order stays."""
    arrived, report = through(seed, stalled=0.002, stall_seconds=2.0)
    stalls = [fault.frame.recv for fault in report.faults]

    assert [frame.data for frame in arrived] == [frame.data for frame in CLEAN]
    assert [frame.recv for frame in arrived] == sorted(frame.recv for frame in arrived)
    for begin in stalls:
        assert not [frame for frame in arrived if begin < frame.recv < begin + 2_000_000]


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_a_restarted_service_sends_the_whole_book_with_u_1_and_counts_on(seed):
    """The books that the frames lead to stay those of the undisturbed stream, message by message."""
    arrived, report = through(seed, restarted=0.01)
    books, clean_books = {}, {}
    ones = Counter()
    for frame, clean in zip(arrived, CLEAN, strict=True):
        message, original = json.loads(frame.data), json.loads(clean.data)
        if channel(message) != "orderbook":
            assert frame == clean
            continue
        topic = message["topic"]
        book, other = books.setdefault(topic, FrameBook()), clean_books.setdefault(topic, FrameBook())
        book.apply(message)
        other.apply(original)
        assert (book.bids, book.asks) == (other.bids, other.asks)
        if message["data"]["u"] == 1:
            assert message["type"] == "snapshot"
            ones[topic] += 1

    assert sum(ones.values()) == report.counts.get("restarted", 0)
    assert report.counts.get("restarted", 0) > 0


def test_all_faults_together_never_break_the_stream():
    rates = {"lost": 0.05, "repeated": 0.05, "reordered": 0.05, "malformed": 0.05, "restarted": 0.05, "stalled": 0.001}
    arrived, report = through(3, **rates)
    parser = BybitParser()
    bad = sum(len(parser.parse(frame).bad) for frame in arrived)

    assert set(report.counts) == set(rates)
    assert bad >= report.counts["malformed"]


@pytest.mark.parametrize("rates", [{"lost": 1.5}, {"malformed": -0.1}])
def test_a_rate_that_is_no_probability_is_refused_by_name(rates):
    with pytest.raises(ValueError, match=next(iter(rates))):
        FaultRates(**rates)
