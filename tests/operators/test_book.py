"""The order book against a brute-force one."""

import gzip
import json
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.book import OrderBook
from schemas.market import BookDelta, BookSnapshot

PRICES = st.integers(1, 30).map(float)
SIZES = st.sampled_from([0.0, 0.0, 1.0, 2.5, 7.0])


def level_changes(low: int, high: int):
    return st.lists(st.tuples(st.integers(low, high).map(float), SIZES), max_size=6)


@st.composite
def sessions(draw):
    """A snapshot and deltas whose bids stay below 15 and asks above, some with holes, repeats and a new snapshot."""
    events = [BookSnapshot("X", 0, 0, u=10, bids=[(9.0, 1.0)], asks=[(20.0, 1.0)])]
    u = 10
    for _ in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(["next", "next", "next", "next", "gap", "repeat", "snapshot"]))
        if kind == "snapshot":
            u += draw(st.integers(0, 5))
            events.append(BookSnapshot("X", 0, 0, u=u, bids=[(8.0, 2.0)], asks=[(21.0, 3.0)]))
            continue
        step = {"next": 1, "gap": 3, "repeat": 0}[kind]
        u += step
        events.append(
            BookDelta("X", 0, 0, u=u, prev=u - 1, bids=draw(level_changes(1, 14)), asks=draw(level_changes(15, 30)))
        )
    return events


class BruteForce:
    """The same rules written the slow way: every level sorted anew, every price found by search."""

    def __init__(self):
        self.levels = None
        self.u = None

    def feed(self, event):
        if isinstance(event, BookSnapshot):
            self.u = event.u
            self.levels = [("bid", p, s) for p, s in event.bids if s] + [("ask", p, s) for p, s in event.asks if s]
            return
        if self.u is None or event.u <= self.u:
            return
        if event.prev != self.u:
            self.u = self.levels = None
            return
        self.u = event.u
        for side, changes in (("bid", event.bids), ("ask", event.asks)):
            for price, size in changes:
                self.levels = [level for level in self.levels if level[:2] != (side, price)]
                if size:
                    self.levels.append((side, price, size))

    def top(self, n):
        if self.levels is None:
            return [], []
        bids = sorted(((p, s) for side, p, s in self.levels if side == "bid"), reverse=True)
        asks = sorted((p, s) for side, p, s in self.levels if side == "ask")
        return bids[:n], asks[:n]


@pytest.mark.parametrize("deep", [False, True])
@given(sessions(), st.integers(1, 12))
@pytest.mark.req("FS-FR-001.3", "FS-EC-04")
def test_book_equals_brute_force(deep, events, n):
    """At every event and across a restart before each: the same levels, best prices and synchronisation.

    Deep books pick their best levels in another way.
    """
    with patch("operators.book.SORTED", 0 if deep else 500):
        compare_with_brute_force(events, n)


def compare_with_brute_force(events, n):
    book, slow = OrderBook(), BruteForce()
    for event in events:
        book = OrderBook.restore(book.snapshot())
        book.snapshot_event(event) if isinstance(event, BookSnapshot) else book.delta(event)
        slow.feed(event)

        bids, asks = slow.top(n)
        assert book.top(n) == (bids, asks)
        assert book.synchronised == (slow.u is not None)
        assert book.best_bid == (bids[0][0] if bids else None)
        assert book.best_ask == (asks[0][0] if asks else None)


def test_a_hole_in_the_sequence_desynchronises_until_the_next_snapshot():
    """Nothing is guessed in between."""
    book = OrderBook()
    book.snapshot_event(BookSnapshot("X", 0, 0, u=5, bids=[(1.0, 1.0)], asks=[(2.0, 1.0)]))
    book.delta(BookDelta("X", 0, 0, u=6, prev=5, bids=[], asks=[]))

    assert book.delta(BookDelta("X", 0, 0, u=8, prev=7, bids=[], asks=[])) == "gap"
    assert book.delta(BookDelta("X", 0, 0, u=9, prev=8, bids=[], asks=[])) == "unsynchronised"
    assert book.top(5) == ([], [])
    assert book.snapshot_event(BookSnapshot("X", 0, 0, u=1, bids=[(1.0, 1.0)], asks=[])) == "applied"
    assert book.synchronised


def test_a_crossed_book_is_emptied():
    """A bid at or above the best ask cannot be true."""
    book = OrderBook()
    book.snapshot_event(BookSnapshot("X", 0, 0, u=5, bids=[(1.0, 1.0)], asks=[(2.0, 1.0)]))

    assert book.delta(BookDelta("X", 0, 0, u=6, prev=5, bids=[(2.0, 1.0)], asks=[])) == "crossed"
    assert not book.synchronised
    assert book.top(5) == ([], [])


def test_the_first_delta_after_a_snapshot_may_overlap_it():
    """Binance bundles update ids; only the first delta may begin before the snapshot's."""
    book = OrderBook()
    book.snapshot_event(BookSnapshot("X", 0, 0, u=100, bids=[(1.0, 1.0)], asks=[(2.0, 1.0)]))

    assert book.delta(BookDelta("X", 0, 0, u=99, prev=89, first=90, bids=[(0.5, 1.0)], asks=[])) == "stale"
    assert book.delta(BookDelta("X", 0, 0, u=110, prev=94, first=95, bids=[], asks=[])) == "applied"
    assert book.delta(BookDelta("X", 0, 0, u=120, prev=105, first=106, bids=[], asks=[])) == "gap"


def test_a_keyframe_checks_a_synchronised_book_and_fills_an_empty_one():
    """A keyframe for another update id is of no use to a book in sync; one that differs wins, and says so."""
    book = OrderBook()
    frame = BookSnapshot("X", 0, 0, u=5, bids=[(1.0, 1.0)], asks=[(2.0, 1.0)], keyframe=True)

    assert book.snapshot_event(frame) == "applied"
    assert book.snapshot_event(frame) == "applied"
    assert book.delta(BookDelta("X", 0, 0, u=6, prev=5, bids=[(1.5, 1.0)], asks=[])) == "applied"
    assert book.snapshot_event(frame) == "stale"
    assert book.best_bid == 1.5
    other = BookSnapshot("X", 0, 0, u=6, bids=[(1.25, 1.0)], asks=[(2.0, 1.0)], keyframe=True)
    assert book.snapshot_event(other) == "mismatch"
    assert book.best_bid == 1.25


@pytest.mark.req("FS-FR-001.3")
def test_the_recorded_bybit_books_have_no_gap_and_never_cross(shared_data):
    """Straight from the recorded frames, without our parser: 200 levels a side all the way."""
    books: dict[str, OrderBook] = {}
    deltas = 0
    with gzip.open(shared_data / "bybit_ws" / "bybit_v5_linear_spot_20260809.jsonl.gz", "rt") as lines:
        for line in lines:
            wrapped = json.loads(line)
            if wrapped["t"] != "recv" or "orderbook.200" not in wrapped["data"]:
                continue
            frame = json.loads(wrapped["data"])
            if "topic" not in frame:
                continue
            data = frame["data"]
            sides = {side: [(float(p), float(s)) for p, s in data[side]] for side in "ba"}
            book = books.setdefault(f"{wrapped['conn']}/{data['s']}", OrderBook())
            if frame["type"] == "snapshot":
                outcome = book.snapshot_event(BookSnapshot("X", 0, 0, data["u"], sides["b"], sides["a"]))
            else:
                deltas += 1
                outcome = book.delta(BookDelta("X", 0, 0, data["u"], data["u"] - 1, sides["b"], sides["a"]))

            assert outcome == "applied"
            bids, asks = book.top(200)
            assert (len(bids), len(asks)) == (200, 200)
            assert all(a[0] > b[0] for a, b in pairwise(bids))
            assert all(a[0] < b[0] for a, b in pairwise(asks))
            assert bids[0][0] < asks[0][0]
    assert deltas > 500
