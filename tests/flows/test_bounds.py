"""The bounds of what may stand in an event: writers and readers agree on them, and what follows fits on the log."""

from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.log.limits import MAX_RECORD_BYTES
from connectors.validate import check
from dataflows.features import engine
from schemas.bounds import LARGEST, LAST_ID, LONGEST, YEAR_2100
from schemas.codec import decode_event, encode
from schemas.market import BookDelta, BookSnapshot, Funding, Gap, Kline, Tick, Ticker, Trade
from tests.flows.damage import with_fields
from tests.flows.made import FEATURES
from tests.streams import SECOND, START

FLOATS = st.sampled_from([-inf, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1 - 2**-53, 9.9e17, LARGEST, 1e308, inf, nan])
WHOLES = st.sampled_from([-(2**64), -2, -1, 0, 1, START, YEAR_2100 - 1, YEAR_2100, LAST_ID, LAST_ID + 1, 10**30])
TEXTS = st.sampled_from(["", "BTCUSDT", "x" * LONGEST, "x" * (LONGEST + 1)])
LEVELS = st.lists(st.tuples(FLOATS, FLOATS), max_size=2)
EVENTS = st.one_of(
    st.builds(Tick, recv=WHOLES),
    *(
        st.builds(kind, symbol=st.just("BTCUSDT"), ts=WHOLES, recv=WHOLES, **fields)
        for kind, fields in {
            BookSnapshot: {"u": WHOLES, "bids": LEVELS, "asks": LEVELS},
            BookDelta: {"u": WHOLES, "prev": WHOLES, "first": WHOLES, "bids": LEVELS, "asks": LEVELS},
            Trade: {"id": TEXTS, "side": st.just("buy"), "price": FLOATS, "size": FLOATS},
            Kline: dict.fromkeys(("open", "high", "low", "close", "volume", "turnover"), FLOATS) | {"start": WHOLES},
            Ticker: {"last": FLOATS, "bid_size": FLOATS, "funding_rate": FLOATS, "next_funding": WHOLES},
            Funding: {"rate": FLOATS, "next_funding": st.none() | WHOLES},
            Gap: {"channel": st.just("trades"), "reason": st.just("lost"), "start": WHOLES, "end": WHOLES},
        }.items()
    ),
)


@given(EVENTS)
@settings(max_examples=2_000, deadline=None)
def test_what_a_writer_accepts_a_reader_can_read(event):
    """At every bound: the two sides agree, so nothing that was collected is refused later."""
    if check(event) is None:
        assert decode_event(encode(event)) == event


HUGE = "x" * 949_900


@pytest.mark.parametrize(
    "message",
    [
        HUGE.encode(),
        with_fields(encode(Tick(START)), type=HUGE),
        with_fields(encode(Tick(START)), later=HUGE),
        b'{"type":"trade","symbol":"%s","ts":1,"recv":1,"id":"1","side":"buy","price":1,"size":1}' % HUGE.encode(),
        b'{"type":"trade","symbol":"X","ts":1,"recv":1,"id":"%s","side":"buy","price":1,"size":1}' % HUGE.encode(),
        b'{"type":"gap","symbol":"X","ts":1,"recv":1,"channel":"trades","reason":"%s","from":1,"to":1}' % HUGE.encode(),
    ],
    ids=["junk", "type", "later field", "symbol", "id", "reason"],
)
def test_what_is_made_of_a_huge_message_fits_on_the_log(message):
    """Otherwise the sink would have to stop. Said twice, so that a repeat has to be reported."""
    outputs = engine(FEATURES, 0).feed(enumerate([message, message, encode(Tick(START + SECOND))]))

    assert all(len(output.key) + len(output.value) < MAX_RECORD_BYTES - 1_000 for output in outputs)
