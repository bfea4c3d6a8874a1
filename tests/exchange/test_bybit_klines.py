"""Candles of the past: all of them, each once, whatever goes wrong on the way; or a word about which are missing."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.bybit.errors import MissingRows, RestError
from connectors.bybit.spans import pages, runs
from connectors.demo.exchange_history.faults import RestFaultRates, RestFaults
from connectors.demo.exchange_history.server import Desk
from connectors.demo.exchange_history.truth import Generated, true_klines
from connectors.validate import check
from tests.exchange.standing import DAY, HOUR, MINUTE, NOW, SYMBOL, asked, generated

MIDNIGHT = int(datetime(2025, 6, 14, tzinfo=UTC).timestamp()) * 1_000_000

MARKET = generated()

probability = st.sampled_from([0.0, 0.0, 0.1, 0.3])
faulty = st.builds(
    RestFaultRates,
    limited=probability,
    visits=probability,
    failed=probability,
    truncated=probability,
    cut=probability,
    dropped=probability,
    doubled=probability,
    gaps=probability,
    shuffled=probability,
    lying=st.sampled_from([0.0, 0.05, 0.1]),
)


def test_a_day_has_1440_candles_also_the_first_one_whatever_the_size_of_a_page():
    """The origin lost one candle at each boundary of a page, and the one of midnight: 1,433 a day."""
    for size in (50, 200, 1_000):
        klines = asked(lambda market, _: market.klines(SYMBOL, MIDNIGHT, MIDNIGHT + DAY), klines_a_page=size)

        assert [kline.start for kline in klines] == list(range(MIDNIGHT, MIDNIGHT + DAY, MINUTE))


def test_a_candle_is_known_at_its_end_and_belongs_to_the_contract():
    """Not at its start, which would be a look ahead; and asked for in the category linear, as live data are."""

    async def scenario(market, server):
        return await market.klines(SYMBOL, MIDNIGHT, MIDNIGHT + HOUR), server.desk.requests

    klines, requests = asked(scenario)

    assert all(kline.recv == kline.ts == kline.start + MINUTE for kline in klines)
    assert all(kline.closed and kline.backfilled and check(kline) is None for kline in klines)
    assert all("category=linear" in path for path in requests if "kline" in path)


def test_a_spot_symbol_is_asked_for_at_spot():
    async def scenario(market, server):
        with pytest.raises(RestError, match="Category"):
            await market.klines("BTCUSDT-SPOT", MIDNIGHT, MIDNIGHT + HOUR)
        return server.desk.requests[-1]

    path = asked(scenario)

    assert "category=spot" in path and "symbol=BTCUSDT&" in path


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (1, MINUTE), (MINUTE - 1, MINUTE), (5, 5), (10, 0), (-1, 2 * MINUTE)]
)
def test_the_span_holds_its_start_and_not_its_end(start, end):
    """A candle belongs to the span in which it begins."""
    klines = asked(lambda market, _: market.klines(SYMBOL, MIDNIGHT + start, MIDNIGHT + end))

    assert [kline.start for kline in klines] == [
        minute
        for minute in range(MIDNIGHT - DAY, MIDNIGHT + DAY, MINUTE)
        if MIDNIGHT + start <= minute < MIDNIGHT + end
    ]


def test_the_running_candle_is_none():
    """Up to now, and far beyond it: only what is over."""
    klines = asked(lambda market, _: market.klines(SYMBOL, NOW // MINUTE * MINUTE - HOUR, NOW + DAY))

    assert klines[-1].ts == NOW // MINUTE * MINUTE
    assert len(klines) == 60


@pytest.mark.parametrize("ours_ahead", [-3 * HOUR, -90_000_000, 45_000_000, 3 * HOUR])
def test_what_is_over_is_said_by_the_exchange_not_by_our_clock(ours_ahead):
    klines = asked(lambda market, _: market.klines(SYMBOL, NOW - HOUR, NOW + DAY), clock=lambda: NOW + ours_ahead)

    assert klines == true_klines(generated(), SYMBOL, NOW - HOUR, NOW + DAY)


def test_a_candle_that_runs_is_not_taken_for_a_closed_one_by_a_clock_that_was_wrong():
    """The exchange first says thrice that it is an hour later. Each answer is read by its own time as well."""
    desks: list[Desk] = []

    def clock() -> int:
        return NOW + HOUR if desks and len(desks[0].requests) <= 3 else NOW

    async def scenario(market, server):
        desks.append(server.desk)
        first = await market.now()
        return first, await market.klines(SYMBOL, NOW - HOUR, NOW + DAY)

    first, klines = asked(scenario, Generated([SYMBOL], clock=clock), clock=lambda: NOW)

    assert first // MINUTE == (NOW + HOUR) // MINUTE
    assert klines == true_klines(generated(), SYMBOL, NOW - HOUR, NOW + DAY)


def test_before_a_symbol_was_listed_there_is_nothing_to_miss():
    """Also where the listing is in the middle of a minute and of a page."""
    launch = MIDNIGHT + 20 * HOUR + 90_000_000
    truth = generated(launch=launch)
    klines = asked(lambda market, _: market.klines(SYMBOL, MIDNIGHT, MIDNIGHT + DAY), truth)

    assert klines == true_klines(truth, SYMBOL, MIDNIGHT, MIDNIGHT + DAY)
    assert launch <= klines[0].start < launch + MINUTE


def test_all_there_ever_was_begins_with_the_listing():
    """From 1970 on: nothing is asked for of the years before."""
    truth = generated(launch=NOW - 2 * HOUR)

    async def scenario(market, server):
        return await market.klines(SYMBOL, 0, NOW), len(server.desk.requests)

    klines, requests = asked(scenario, truth)

    assert klines == true_klines(truth, SYMBOL, 0, NOW) and len(klines) == 119
    assert requests == 5


def test_candles_that_the_exchange_does_not_give_are_named():
    """Everything else is in the error: what came is not lost."""
    withheld = {MIDNIGHT, *range(MIDNIGHT + 3 * HOUR, MIDNIGHT + 4 * HOUR, MINUTE), MIDNIGHT + DAY - MINUTE}

    async def scenario(market, _):
        with pytest.raises(MissingRows) as caught:
            await market.klines(SYMBOL, MIDNIGHT, MIDNIGHT + DAY)
        return caught.value

    error = asked(scenario, faults=RestFaults(withheld=withheld))

    assert error.missing == [
        (MIDNIGHT, MIDNIGHT + MINUTE),
        (MIDNIGHT + 3 * HOUR, MIDNIGHT + 4 * HOUR),
        (MIDNIGHT + DAY - MINUTE, MIDNIGHT + DAY),
    ]
    assert "no klines of BTCUSDT for 2025-06-14 00:00:00 to 00:01:00 UTC, 2025-06-14 03:00:00 to 04:00:00 UTC" in str(
        error
    )
    assert error.found == [
        kline for kline in true_klines(generated(), SYMBOL, MIDNIGHT, MIDNIGHT + DAY) if kline.start not in withheld
    ]


def test_a_day_costs_few_requests():
    """The time (three times, once a client), and two pages."""

    async def scenario(market, server):
        await market.klines(SYMBOL, MIDNIGHT, MIDNIGHT + DAY)
        await market.klines(SYMBOL, MIDNIGHT - DAY, MIDNIGHT)
        return [path.partition("?")[0].rpartition("/")[2] for path in server.desk.requests]

    assert asked(scenario) == ["time"] * 3 + ["kline"] * 4


def test_pages_that_the_exchange_cuts_are_asked_for_again():
    """It gives 200 rows whatever is asked: newest first, so what is absent is at the old end."""
    klines = asked(lambda market, _: market.klines(SYMBOL, MIDNIGHT, MIDNIGHT + DAY), faults=RestFaults(page=200))

    assert len(klines) == 1_440


def test_recent_candles_are_the_last_closed_ones():
    async def scenario(market, _):
        return await market.recent_klines(SYMBOL, 1_500), await market.recent_klines(SYMBOL, 1_500, NOW - 5 * MINUTE)

    many, few = asked(scenario)

    assert len(many) == 1_500 and many[-1].ts == NOW // MINUTE * MINUTE
    assert few == many[-4:]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    start=st.integers(-2 * DAY, 0),
    size=st.sampled_from([1, 7, 60, 200, 1_000]),
    length=st.floats(0.0, 6.0),
    rates=faulty,
    cut=st.sampled_from([None, None, 2, 3]),
    withheld=st.lists(st.floats(0.0, 1.0), max_size=3),
    seed=st.integers(0, 10_000),
)
def test_whatever_goes_wrong_the_result_is_the_truth_or_says_what_is_missing(
    start, size, length, rates, cut, withheld, seed
):
    """Limits, errors, broken answers, rows doubled, left out and shuffled, pages cut, clocks that lie.

    ``length`` is in pages; ``cut`` pages of the exchange make one of those that are asked for.
    """
    begin, length = NOW // MINUTE * MINUTE + start, int(length * size) * MINUTE + 12_345
    lost = {(begin + int(share * length)) // MINUTE * MINUTE for share in withheld}
    truth = true_klines(MARKET, SYMBOL, begin, begin + length)

    async def scenario(market, _):
        try:
            return await market.klines(SYMBOL, begin, begin + length), None
        except RestError as error:
            return None, error

    faults = RestFaults(rates, seed, lost, cut and -(-size // cut))
    found, error = asked(scenario, MARKET, faults, klines_a_page=size)
    if found is not None:
        assert found == truth
        assert not lost & {kline.start for kline in truth}
    elif isinstance(error, MissingRows):
        missing = {time for first, end in error.missing for time in range(first, end, MINUTE)}
        assert missing and error.found == [kline for kline in truth if kline.start not in missing]
        assert missing >= lost & {kline.start for kline in truth}
        assert missing <= {kline.start for kline in truth}
    else:
        assert "8 times; try again later" in str(error)


@given(
    points=st.sets(st.integers(0, 300)).map(sorted),
    size=st.integers(1, 50),
)
def test_pages_cover_what_is_missing_and_do_not_touch(points, size):
    times = [point * MINUTE for point in points]
    found = list(pages(times, MINUTE, size))

    assert [time for time in times if any(start <= time < end for start, end in found)] == times
    assert all(start in times and end - MINUTE in times for start, end in found)
    assert all(end - start <= size * MINUTE for start, end in found)
    assert all(end <= start for (_, end), (start, _) in pairwise(found))


@given(points=st.sets(st.integers(0, 300)).map(sorted))
def test_runs_are_the_points_again(points):
    found = runs([point * MINUTE for point in points], MINUTE)

    assert [time // MINUTE for start, end in found for time in range(start, end, MINUTE)] == points
    assert all(end < start for (_, end), (start, _) in pairwise(found))
