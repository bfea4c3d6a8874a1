"""What may go on the log."""

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connectors.recorded import read_frames
from connectors.validate import AHEAD, FUTURE, YEAR_2100, check
from connectors.venues import parser_for
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Funding, Gap, Kline, Tick, Ticker, Trade

NOW = 1_700_000_000_000_000
AT: Any = ("BTCUSDT", NOW - 5, NOW)

SNAPSHOT = BookSnapshot(*AT, u=7, bids=[(10.0, 1.0), (9.0, 2.0)], asks=[(11.0, 1.0)])
DELTA = BookDelta(*AT, u=9, prev=6, bids=[(10.0, 0.0)], asks=[(11.0, 1.0)], first=7)
TRADE = Trade(*AT, id="a", side="buy", price=10.0, size=1.0)
KLINE = Kline(*AT, start=NOW - 60_000_000, open=2.0, high=4.0, low=1.0, close=3.0, volume=0.0)
TICKER = Ticker(*AT, last=10.0, bid=9.0, ask=11.0, bid_size=0.0, funding_rate=-0.01, next_funding=NOW + 1)
FUNDING = Funding(*AT, rate=0.0001)
GAP = Gap(*AT, channel="trades", reason="reconnect", start=NOW - 5, end=NOW)
SOUND = [
    SNAPSHOT,
    DELTA,
    TRADE,
    KLINE,
    TICKER,
    FUNDING,
    GAP,
    Tick(NOW),
    Ticker(*AT),
    replace(SNAPSHOT, bids=[], asks=[]),
]


@pytest.mark.parametrize("event", SOUND, ids=lambda event: type(event).__name__)
def test_a_sound_event_passes(event: AnyMarketEvent) -> None:
    """With and without a clock and a list of symbols."""
    assert check(event) is None
    assert check(event, NOW, {"BTCUSDT"}) is None


@pytest.mark.parametrize(
    "file", ["bybit_ws/bybit_v5_linear_spot_20260809.jsonl.gz", "l2/binance_raw/usdm_btcusdt_20240718.gz"]
)
def test_everything_that_was_recorded_passes(file: str, shared_data: Path) -> None:
    """Also where the recorder's clock was 1.5 s behind the exchange's."""
    parser = None
    for frame in read_frames(shared_data / file):
        parser = parser or parser_for(frame.venue)
        for event in parser.parse(frame).events:
            assert check(event, frame.recv) is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (replace(TRADE, recv=0), "recv 0 is not between 1970 and 2100"),
        (replace(TRADE, recv=YEAR_2100), "is not between 1970 and 2100"),
        (Tick(-1), "recv -1 is not between"),
        (Tick(NOW + FUTURE + 1), "recv lies 1.000 s in the future"),
        (replace(TRADE, ts=0), "ts 0 is not between"),
        (replace(TRADE, ts=NOW + AHEAD + 1), "ts lies 60.000 s after recv"),
        (replace(TRADE, symbol=""), "'' is no symbol"),
        (replace(TRADE, symbol="btc usdt"), "'btc usdt' is no symbol"),
        (replace(TRADE, symbol="BTCUSDT\n"), "is no symbol"),
        (replace(TRADE, symbol="ETHUSDT"), "unknown symbol 'ETHUSDT'"),
        (replace(TRADE, price=0.0), "price 0.0 is not positive and finite"),
        (replace(TRADE, size=0.0), "size 0.0 is not positive and finite"),
        (replace(TRADE, id=""), "no trade id"),
        (replace(TRADE, side="both"), "side 'both' is neither"),
        (replace(SNAPSHOT, bids=[(11.0, 1.0)]), "crossed: best bid 11.0 >= best ask 11.0"),
        (replace(SNAPSHOT, asks=[(12.0, 1.0), (10.0, 1.0)]), "crossed: best bid 10.0 >= best ask 10.0"),
        (replace(SNAPSHOT, bids=[(9.0, 0.0)]), "level 9.0 x 0.0 is out of bounds"),
        (replace(SNAPSHOT, bids=[(9.0, 1.0), (9.0, 2.0)]), "a bid price comes twice"),
        (replace(DELTA, asks=[(-1.0, 1.0)]), "level -1.0 x 1.0 is out of bounds"),
        (replace(DELTA, u=6), "update ids prev 6, first 7, u 6 do not rise"),
        (replace(DELTA, first=6), "update ids prev 6, first 6, u 9 do not rise"),
        (replace(DELTA, first=0, prev=9), "update ids prev 9, first 9, u 9 do not rise"),
        (replace(KLINE, low=2.5), "do not fit together"),
        (replace(KLINE, high=2.5), "do not fit together"),
        (replace(KLINE, low=0.0), "do not fit together"),
        (replace(KLINE, volume=-1.0), "volume -1.0 or turnover 0.0 is out of bounds"),
        (replace(KLINE, start=NOW + AHEAD + 1), "is no time before recv"),
        (replace(TICKER, mark=0.0), "mark 0.0 is not positive and finite"),
        (replace(TICKER, open_interest=-1.0), "open_interest -1.0 is negative or not finite"),
        (replace(TICKER, funding_rate=1.5), "funding rate 1.5 is no fraction"),
        (replace(TICKER, next_funding=0), "next funding time 0 is not between"),
        (replace(FUNDING, rate=nan), "funding rate nan is no fraction"),
        (replace(GAP, end=NOW - 6), "is no span"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(event: AnyMarketEvent, reason: str) -> None:
    """One fault each."""
    assert reason in (check(event, NOW, {"BTCUSDT"}) or "passed")


def test_without_a_clock_nothing_is_in_the_future() -> None:
    """Old recordings and replays have their own time."""
    assert check(Tick(YEAR_2100 - 1)) is None


NUMBERS = ["price", "size", "open", "high", "low", "close", "volume", "turnover", "rate"]
NUMBERS += ["last", "mark", "index", "bid", "bid_size", "ask", "ask_size", "volume_24h", "turnover_24h", "funding_rate"]


@given(event=st.sampled_from(SOUND), value=st.sampled_from([nan, inf, -inf, -1.0, 1e300]), data=st.data())
def test_no_number_of_any_event_may_be_wild(event: AnyMarketEvent, value: float, data: Any) -> None:
    """Every float field and every level: NaN, infinite, far out of bounds, or negative where a price or size stands."""
    if isinstance(event, BookSnapshot | BookDelta):
        level = data.draw(st.sampled_from([(value, 1.0), (5.0, value)]))
        side = data.draw(st.sampled_from(["bids", "asks"]))
        wild = replace(event, **{side: [(5.5, 1.0), level]})
    else:
        fields = [name for name in event.__struct_fields__ if name in NUMBERS]
        if not fields:
            return
        wild = replace(event, **{data.draw(st.sampled_from(fields)): value})

    assert check(wild, NOW) is not None
