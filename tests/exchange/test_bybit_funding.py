"""Funding rates of the past: each payment once, or a word about those that must have been and are not given."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.bybit.errors import MissingRows, RestError
from connectors.bybit.funding import EIGHT_HOURS, truly_missing
from connectors.demo.exchange_history.faults import RestFaults
from connectors.demo.exchange_history.recorded import Recorded
from connectors.demo.exchange_history.truth import instrument_row, true_funding
from connectors.demo.instrument import instrument
from connectors.validate import check
from tests.exchange.standing import DAY, HOUR, MINUTE, NOW, SYMBOL, asked, generated
from tests.exchange.test_bybit_klines import faulty

MARKET = generated()


def changing(intervals: list[tuple[int, int]], now: int = NOW, listed: int = 480, launch: int = 1) -> Recorded:
    """An exchange whose contract is paid in ``intervals``: (microseconds between payments, how many)."""
    times, time = [], now // EIGHT_HOURS * EIGHT_HOURS
    for step, count in reversed(intervals):
        for _ in range(count):
            times.append(time)
            time -= step
    paid = [(time, f"0.{index % 90 + 10:05d}") for index, time in enumerate(reversed(times))]
    return Recorded(now, funding={SYMBOL: paid}, listed=[instrument_row(instrument(SYMBOL), launch, listed * MINUTE)])


def test_payments_of_a_year_come_in_pages_each_once():
    """1,095 of them, 200 a page."""

    async def scenario(market, server):
        rates = await market.funding(SYMBOL, NOW - 365 * DAY, NOW)
        return rates, [path for path in server.desk.requests if "funding" in path]

    rates, requests = asked(scenario)

    assert rates == true_funding(MARKET, SYMBOL, NOW - 365 * DAY, NOW)
    assert len(rates) == 365 * 3 and len(requests) == 6
    assert all(rate.ts % EIGHT_HOURS == 0 and rate.recv == rate.ts for rate in rates)
    assert all(rate.settled and rate.backfilled and check(rate) is None for rate in rates)


@pytest.mark.parametrize(
    ("start", "end", "count"), [(0, 1, 1), (1, EIGHT_HOURS, 0), (1, EIGHT_HOURS + 1, 1), (5, 5, 0), (9, 0, 0)]
)
def test_the_span_holds_its_start_and_not_its_end(start, end, count):
    paid = NOW // EIGHT_HOURS * EIGHT_HOURS - 10 * EIGHT_HOURS
    rates = asked(lambda market, _: market.funding(SYMBOL, paid + start, paid + end))

    assert len(rates) == count


def test_what_is_to_be_paid_is_not_yet_history():
    rates = asked(lambda market, _: market.funding(SYMBOL, NOW - DAY, NOW + DAY))

    assert rates[-1].ts == NOW // EIGHT_HOURS * EIGHT_HOURS


def test_a_payment_that_was_due_a_moment_ago_may_come_later():
    """It is not missed in its first minute; after that it is."""
    paid = NOW // EIGHT_HOURS * EIGHT_HOURS
    for late, missed in ((59_000_000, False), (61_000_000, True)):
        now = paid + late

        async def scenario(market, _):
            return await market.funding(SYMBOL, paid - DAY, paid + DAY)

        faults = RestFaults(withheld={paid})
        if missed:
            with pytest.raises(MissingRows):
                asked(scenario, generated(now), faults)
        else:
            assert len(asked(scenario, generated(now), faults)) == 3


def test_spot_has_none_and_is_not_asked():
    async def scenario(market, server):
        with pytest.raises(RestError, match="BTCUSDT-SPOT: there is no funding at spot"):
            await market.funding("BTCUSDT-SPOT", NOW - DAY, NOW)
        return server.desk.requests

    assert asked(scenario) == []


@pytest.mark.parametrize("listed", [60, 240, 480])
@pytest.mark.parametrize("cut", [None, 7])
def test_a_contract_that_changes_how_often_it_pays_is_read_in_full(listed, cut):
    """Every 8 hours, then hourly for two days, then every 4 hours, then 8 again, whatever it says of itself now."""
    truth = changing([(EIGHT_HOURS, 60), (HOUR, 48), (4 * HOUR, 300), (EIGHT_HOURS, 30)], listed=listed)
    rates = asked(lambda market, _: market.funding(SYMBOL, truth.paid[SYMBOL][0][0], NOW), truth, RestFaults(page=cut))

    assert rates == true_funding(truth, SYMBOL, 0, NOW)
    assert len(rates) == 438


def test_payments_between_the_start_and_the_grid_are_read_as_well():
    """Hourly ones, of a contract that says 8 hours now; the span begins 3 hours after a time of the grid."""
    truth = changing([(HOUR, 100), (EIGHT_HOURS, 5)])
    start = (truth.paid[SYMBOL][0][0] // EIGHT_HOURS + 2) * EIGHT_HOURS + 3 * HOUR
    rates = asked(lambda market, _: market.funding(SYMBOL, start, NOW), truth)

    assert rates == true_funding(truth, SYMBOL, start, NOW)
    assert rates[0].ts == start


def test_a_payment_between_others_of_its_hour_is_missed():
    """Every 4 hours: one that is not given is named, on the grid of 8 hours or beside it."""
    truth = changing([(4 * HOUR, 300)], listed=240)
    withheld = [truth.paid[SYMBOL][150][0], truth.paid[SYMBOL][171][0]]

    async def scenario(market, _):
        with pytest.raises(MissingRows) as caught:
            await market.funding(SYMBOL, truth.paid[SYMBOL][0][0], NOW)
        return caught.value

    error = asked(scenario, truth, RestFaults(withheld=withheld))

    assert {time % EIGHT_HOURS == 0 for time in withheld} == {True, False}
    assert error.missing == [(time, time + 4 * HOUR) for time in withheld]
    assert len(error.found) == 298


def test_before_a_contract_was_listed_nothing_is_missed():
    launch = NOW - 10 * DAY
    truth = generated(launch=launch)
    rates = asked(lambda market, _: market.funding(SYMBOL, 0, NOW), truth)

    assert rates == true_funding(truth, SYMBOL, NOW - 30 * DAY, NOW)
    assert len(rates) == 30


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    days=st.integers(0, 400),
    length=st.integers(0, 60 * DAY),
    size=st.sampled_from([20, 50, 200]),
    rates=faulty,
    cut=st.sampled_from([None, 10]),
    withheld=st.lists(st.integers(0, 180), max_size=3),
    seed=st.integers(0, 10_000),
)
def test_whatever_goes_wrong_the_result_is_the_truth_or_says_what_is_missing(
    days, length, size, rates, cut, withheld, seed
):
    begin = NOW - days * DAY + 777
    lost = {(begin // EIGHT_HOURS + index) * EIGHT_HOURS for index in withheld}
    truth = true_funding(MARKET, SYMBOL, begin, begin + length)

    async def scenario(market, _):
        try:
            return await market.funding(SYMBOL, begin, begin + length), None
        except RestError as error:
            return None, error

    found, error = asked(scenario, MARKET, RestFaults(rates, seed, lost, cut), funding_a_page=size)
    if found is not None:
        assert found == truth
        assert not lost & {rate.ts for rate in truth}
    elif isinstance(error, MissingRows):
        missing = {time for first, end in error.missing for time in range(first, end, EIGHT_HOURS)}
        assert missing and error.found == [rate for rate in truth if rate.ts not in missing]
        assert lost & {rate.ts for rate in truth} <= missing <= {rate.ts for rate in truth}
    else:
        assert "8 times; try again later" in str(error)


def test_no_rate_is_missed_where_there_may_have_been_none():
    """Beside the grid of 8 hours one is missed only between others of its hour."""
    hour = HOUR
    assert truly_missing([hour], {hour - EIGHT_HOURS, hour + EIGHT_HOURS}, None) == [hour]
    assert truly_missing([hour], {hour - EIGHT_HOURS}, None) == []
    assert truly_missing([hour], {hour + EIGHT_HOURS}, None) == []
    assert truly_missing([EIGHT_HOURS], set(), launch=1) == []
    assert truly_missing([2 * EIGHT_HOURS], set(), launch=1) == [2 * EIGHT_HOURS]
