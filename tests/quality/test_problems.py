"""Each thing that can be wrong, by itself: what is recorded, how often, and in which minute it counts."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Gap, Kline, Tick, Ticker, Trade
from schemas.quality import QualityMinute, QualityRecord
from tests.quality.small import quality_of
from tests.streams import SECOND

MINUTE = 60 * SECOND
T = 28_000_000 * MINUTE
"""A whole minute."""
SIDES: dict[str, Any] = {"bids": [(99.0, 1.0)], "asks": [(101.0, 1.0)]}


def snapshot(at: int, u: int = 1, **changes: Any) -> BookSnapshot:
    return BookSnapshot("X", at, at, u, **SIDES | changes)


def delta(at: int, u: int, prev: int | None = None) -> BookDelta:
    return BookDelta("X", at, at, u, u - 1 if prev is None else prev, [(99.0, float(u))], [])


def trade(at: int, price: float = 100.0, size: float = 1.0, **changes: Any) -> Trade:
    fields: dict[str, Any] = {"ts": at, "recv": at, "id": str(at), "side": "buy", "price": price, "size": size}
    return Trade("X", **fields | changes)


def candle(start: int, at: int | None = None, **changes: Any) -> Kline:
    at = start + MINUTE + 1 if at is None else at
    fields = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0, "volume": 1.0, "turnover": 100.0}
    return Kline("X", at, at, start, **fields | {"closed": True} | changes)


def ticks(seconds: int, begin: int = T) -> Iterator[Tick]:
    return (Tick(begin + second * SECOND + 1) for second in range(seconds))


def run(*events: AnyMarketEvent, seconds: int = 130) -> tuple[list[QualityMinute], list[QualityRecord]]:
    """The events among ticks, in the order of their receipt; the last tick ends the second minute."""
    return quality_of(sorted([*ticks(seconds), *events], key=lambda event: event.recv))


def problems(records: list[QualityRecord]) -> list[str]:
    return [record.problem for record in records]


@pytest.mark.req("FS-FR-021", "FS-FR-019")
def test_a_lost_book_counts_once_and_for_as_long_as_it_is_unknown() -> None:
    """From the delta that does not follow to the snapshot, split where the minute ends."""
    minutes, records = run(
        snapshot(T + SECOND), delta(T + 2 * SECOND, 2), delta(T + 58 * SECOND, 9), snapshot(T + 61 * SECOND, 12)
    )

    assert [one for one in problems(records) if one.startswith("book")] == ["book.desynchronised", "book.synchronised"]
    first, second = minutes[:2]
    assert (first.desynchronised, first.blind, first.channels["orderbook"].gaps) == (1, 2 * SECOND, 1)
    assert (second.desynchronised, second.blind) == (0, SECOND)


def test_a_book_that_nobody_speaks_of_any_more_is_not_lost_for_ever() -> None:
    minutes, _ = run(snapshot(T + SECOND), delta(T + 2 * SECOND, 9), trade(T + 400 * SECOND), seconds=600)

    assert [minute.blind for minute in minutes][:6] == [58 * SECOND, *[MINUTE] * 5]
    assert sum(minute.blind for minute in minutes[6:]) == 0


def test_a_book_that_is_spoken_of_stays_lost_until_it_is_whole_again() -> None:
    deltas = [delta(T + second * SECOND, 5 + second) for second in range(2, 500, 2)]
    minutes, _ = run(snapshot(T + SECOND), *deltas, seconds=500)

    assert [minute.blind for minute in minutes] == [58 * SECOND, *[MINUTE] * 7]
    assert [minute.desynchronised for minute in minutes] == [1, *[0] * 7]


@pytest.mark.req("FS-FR-019", "FS-EC-01")
@pytest.mark.parametrize("channel", ["orderbook", "trades", "kline", "ticker", "funding"])
def test_what_the_collector_lost_counts_as_a_gap_of_its_channel(channel: Any) -> None:
    at = T + 5 * SECOND
    minutes, records = run(trade(T + SECOND), Gap("X", at, at, channel, "outage", start=T, end=at))

    assert "gap" in problems(records)
    assert minutes[0].channels[channel].gaps == 1
    assert minutes[0].desynchronised == int(channel == "orderbook")


def test_a_repeated_trade_counts_as_repeated_and_its_price_not_again() -> None:
    """One that comes again a minute later, at the price of then, is no jump."""
    prices = [trade(T + second * SECOND, 100.0 + second * 0.0001) for second in range(1, 40)]
    again = trade(T + 40 * SECOND, 150.0, id=prices[0].id)
    minutes, records = run(*prices, again)

    assert problems(records) == ["trade.duplicate"]
    assert minutes[0].channels["trades"].duplicates == 1
    assert minutes[0].anomalies == {}


@pytest.mark.req("TK-DQ-01", "FS-FR-019")
@pytest.mark.parametrize(
    ("price", "found"), [(100.0, False), (100.1, False), (100.2, True), (94.9, True), (106.0, True)]
)
def test_a_price_that_no_second_before_comes_near_is_a_spike(price: float, found: bool) -> None:
    """In a market that moves by a hundredth of a per cent a second."""
    calm = [trade(T + second * SECOND, 100.0 + second % 2 * 0.01) for second in range(1, 50)]
    minutes, records = run(*calm, trade(T + 50 * SECOND, price), trade(T + 50 * SECOND, price, id="2"))

    assert problems(records) == ["trade.spike"] * found
    assert minutes[0].anomalies == ({"trade.spike": 2} if found else {})
    if found:
        assert records[0].detail["move"] == pytest.approx(price / 100.01 - 1)


@pytest.mark.parametrize(("second", "found"), [(342, False), (358, True)])
def test_the_window_of_moves_ends_after_300_seconds(second: int, found: bool) -> None:
    """Two hundred wild seconds, then calm ones: a jump is a spike as soon as most of the last 300 are calm."""
    prices = {at: 100.0 + (at % 2 if at <= 200 else 0) for at in range(1, 400)} | {second: 100.4}
    _, records = run(*(trade(T + at * SECOND, price) for at, price in prices.items()), seconds=420)

    assert (T + second * SECOND in [record.ts for record in records if record.problem == "trade.spike"]) is found


def test_after_a_silence_any_price_may_come() -> None:
    minutes, records = run(trade(T + SECOND), trade(T + 12 * SECOND, 120.0))

    assert "trade.spike" not in problems(records)
    minutes, records = run(trade(T + SECOND), trade(T + 11 * SECOND, 120.0))
    assert problems(records) == ["trade.spike"]
    assert minutes[0].anomalies == {"trade.spike": 1}


@pytest.mark.parametrize(("size", "found"), [(5.0, False), (0.0, True), (1_001.0, True)])
def test_a_trade_of_nothing_or_of_more_than_a_whole_day_is_impossible(size: float, found: bool) -> None:
    ticker = Ticker("X", T + SECOND, T + SECOND, last=100.0, volume_24h=1_000.0)
    minutes, records = run(ticker, trade(T + 2 * SECOND, size=size))

    assert ("trade.volume" in problems(records)) is found
    assert minutes[0].anomalies == ({"trade.volume": 1} if found else {})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"high": 98.0}, "low lies above high"),
        ({"close": 101.5}, "close lies outside"),
        ({"open": 98.5}, "open lies outside"),
        ({"volume": 0.0}, "without any volume"),
        ({"turnover": 150.0}, "turnover / volume"),
        ({"turnover": 0.0}, None),
        ({"turnover": 0.01}, None),
    ],
)
def test_a_candle_that_contradicts_itself_is_impossible(changes: dict[str, float], reason: str | None) -> None:
    """The last one is of an inverse contract, whose turnover is in the base currency."""
    _, records = run(candle(T - MINUTE, **changes))

    found = [record.detail["reason"] for record in records if record.problem == "candle.impossible"]
    assert len(found) == (reason is not None)
    assert not found or str(reason) in str(found[0])


@pytest.mark.req("FS-FR-019")
def test_a_missing_candle_is_a_hole_and_counts_where_it_was_expected() -> None:
    starts = [T - MINUTE, T, T + 3 * MINUTE]
    minutes, records = run(*(candle(start) for start in starts), seconds=600)

    hole = next(record for record in records if record.problem == "candle.hole")
    assert hole.detail == {"minutes": 2, "from": T + MINUTE, "to": T + 3 * MINUTE}
    kline = [minute.channels["kline"] for minute in minutes]
    # The candle of T..T+1 is looked for when T+2 is over, and so on.
    assert [one.missing for one in kline[:6]] == [0, 0, 1, 1, 0, 1]
    assert [one.expected for one in kline[:6]] == [0, 1, 1, 1, 1, 1]
    assert sum(one.gaps for one in kline) == 2


def test_a_candle_that_is_fetched_later_fills_its_place() -> None:
    fetched = candle(T + MINUTE, at=T + 150 * SECOND, backfilled=True)
    events = [candle(T - MINUTE), candle(T), fetched, candle(T + 2 * MINUTE)]
    minutes, records = run(*events, seconds=400)

    assert "candle.hole" not in problems(records)
    assert [minute.channels["kline"].missing for minute in minutes[:4]] == [0, 0, 0, 0]
    assert sum(minute.channels["kline"].received for minute in minutes) == 3


@pytest.mark.parametrize(("skew", "found"), [(-1.0, 0), (-1.000001, 1), (60.0, 0), (60.000001, 1)])
def test_two_clocks_that_do_not_agree_are_told_of_once_a_minute(skew: float, found: int) -> None:
    """At the bounds of the contract: less than -1 s, more than 60 s."""
    ats = [T + second * SECOND for second in (5, 6, 7)]
    minutes, records = run(*(trade(at, ts=at - round(skew * SECOND), id=str(at)) for at in ats))

    assert problems(records) == ["clock.skew"] * found
    assert minutes[0].anomalies == ({"clock.skew": 3} if found else {})
    assert minutes[0].skew == round(skew * SECOND)


@pytest.mark.req("FS-FR-019")
def test_a_silent_channel_is_stale_once_and_heard_again_once() -> None:
    tickers = [Ticker("X", at, at, last=100.0) for at in (T + SECOND, T + 100 * SECOND)]
    minutes, records = run(*tickers)

    assert problems(records) == ["channel.stale", "channel.heard"]
    stale, heard = records
    assert stale.detail["channel"] == heard.detail["channel"] == "ticker"
    assert 30 * SECOND < stale.ts - (T + SECOND) <= 31 * SECOND
    assert [minute.channels["ticker"].missing for minute in minutes] == [59, 59]
    assert minutes[1].channels["ticker"].silence == 99 * SECOND


def test_after_ten_silent_minutes_nothing_is_expected_any_more() -> None:
    """Counted to the end of a minute: an outage of a day is ten bad minutes, not 1,440."""
    minutes, _ = run(Ticker("X", T + MINUTE, T + MINUTE, last=1.0), seconds=900)

    assert [minute.ts for minute in minutes] == [T + number * MINUTE for number in range(1, 12)]
    assert [minute.channels["ticker"].missing for minute in minutes] == [0, *[60] * 10]


def test_a_book_without_one_side_is_told_of_once() -> None:
    minutes, records = run(snapshot(T + SECOND, asks=[]), delta(T + 5 * SECOND, 2))

    assert problems(records)[:1] == ["book.empty"]
    assert minutes[0].anomalies == {"book.empty": 1}


def test_a_crossed_book_is_an_anomaly_and_lost() -> None:
    minutes, records = run(snapshot(T + SECOND, bids=[(102.0, 1.0)]), snapshot(T + 3 * SECOND, 2))

    assert problems(records)[:2] == ["book.crossed", "book.synchronised"]
    assert (minutes[0].anomalies, minutes[0].blind) == ({"book.crossed": 1}, 2 * SECOND)


@pytest.mark.parametrize(("u", "repeated", "late"), [(3, 1, 0), (2, 0, 1)])
def test_a_delta_that_comes_again_is_repeated_and_an_older_one_is_late(u: int, repeated: int, late: int) -> None:
    old = BookDelta("X", T + u * SECOND, T + 4 * SECOND, u, u - 1, [], [])
    minutes, _ = run(snapshot(T + SECOND), delta(T + 2 * SECOND, 2), delta(T + 3 * SECOND, 3), old)

    orderbook = minutes[0].channels["orderbook"]
    assert (orderbook.duplicates, orderbook.late) == (repeated, late)


def test_a_keyframe_is_ours_and_says_nothing_of_the_venue() -> None:
    minutes, _ = run(snapshot(T + SECOND), snapshot(T + 2 * SECOND, keyframe=True))

    assert minutes[0].channels["orderbook"].received == 1


def test_history_is_not_heard() -> None:
    """What was fetched came late by its nature."""
    at = T + 5 * SECOND
    history = [candle(T - 9 * MINUTE, at=at, backfilled=True), trade(at, ts=T - MINUTE, backfilled=True)]
    minutes, records = run(*history)

    assert (minutes, records) == ([], [])


def test_a_clock_that_the_first_tick_turns_back_begins_anew() -> None:
    """What came before the first tick had but its own word for its time."""
    future = trade(T + 900 * SECOND)
    minutes, _ = quality_of([future, *ticks(5), trade(T + 6 * SECOND), *ticks(70, T + 6 * SECOND)])

    assert [minute.ts for minute in minutes] == [T + MINUTE]
    assert minutes[0].channels["trades"].received == 1
