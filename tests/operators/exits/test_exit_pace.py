"""How often exits may leave, how much one closes, and what reports are worth between two of them."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from operators.exits.closing import closing, worth
from operators.exits.pace import Pace
from operators.exits.report import Report
from schemas.strategy import Amount
from tests.operators.exits.exit_desk import Desk, answer, at, fill, position, price, strategy, tick

MINUTE = 60_000_000
moments = st.lists(st.integers(0, 20 * MINUTE), max_size=80).map(sorted)


@given(moments, st.integers(1, 12), st.floats(0, 100))
@pytest.mark.req("MS-SC-015", "MS-FR-030", "MS-EC-13")
def test_no_minute_has_more_exit_signals_than_allowed(wanted, per_minute, cooldown):
    """And no two are closer than the cooldown, wherever the minute begins."""
    pace, sent = Pace(), []
    for clock in wanted:
        recent, most = pace.in_window(clock, per_minute)
        if recent < most and not pace.rests(clock, cooldown):
            pace.signalled(clock)
            sent.append(clock)

    assert all(later - earlier >= round(cooldown * 1_000_000) for earlier, later in pairwise(sent))
    assert all(sum(begin <= clock < begin + MINUTE for clock in sent) <= per_minute for begin in sent)


@given(moments, st.integers(1, 12))
def test_nothing_is_refused_that_every_minute_has_room_for(wanted, per_minute):
    """The limit is exact: a signal waits only if the minute before it is full."""
    pace, sent = Pace(), []
    for clock in wanted:
        recent, most = pace.in_window(clock, per_minute)
        assert (recent < most) == (sum(clock - MINUTE < before <= clock for before in sent) < per_minute)
        if recent < most:
            pace.signalled(clock)
            sent.append(clock)


@pytest.mark.parametrize("per_minute, seconds", [(0.5, 120), (0.1, 600), (1.0, 60), (2.0, 60), (2.5, 48)])
def test_fractions_of_a_signal_a_minute_make_the_window_longer(per_minute, seconds):
    """0.5 a minute is one in two minutes; 2.5 are two in 48 seconds."""
    pace = Pace()
    most = pace.in_window(0, per_minute)[1]
    for _ in range(most):
        pace.signalled(0)

    assert pace.in_window(seconds * 1_000_000 - 1, per_minute) == (most, most)
    assert pace.in_window(seconds * 1_000_000, per_minute) == (0, most)


@pytest.mark.req("MS-SC-015")
def test_the_rate_limit_holds_across_positions():
    """Closing and opening again does not begin a new minute; without a cooldown two in a minute may leave."""
    desk = Desk(strategy(cooldown=0.0, per_minute=2.0, debounce=0.0))
    desk.feed(tick(0), price(0, 100.0))
    for second in range(1, 61, 5):
        desk.feed(tick(second), fill(second, "buy", 1.0, 110.0), position(second, 1.0), tick(second + 1))
        if desk.signals and desk.signals[-1].ts >= at(second):
            desk.feed(answer(second + 1, desk.signals[-1]), position(second + 1, 0.0))

    assert [s.ts for s in desk.signals] == [at(1), at(6)]
    assert "rate" in desk.steps

    desk.feed(tick(61), price(61, 100.0))
    assert [s.ts for s in desk.signals] == [at(1), at(6), at(61)]


@pytest.mark.req("MS-FR-030")
def test_no_second_exit_leaves_while_the_first_may_still_trade():
    """Without a cooldown: the order stays open for 20 s, then it is cancelled."""
    desk = Desk(strategy(cooldown=0.0, per_minute=100.0))
    desk.feed(tick(0), price(0, 97.0), fill(0, "buy", 1.0, 100.0), position(0, 1.0))
    desk.feed(answer(1, desk.signals[0], "pending"))
    desk.feed(*(event for s in range(1, 20) for event in (tick(s), price(s + 0.5, 97.0 - s % 2))))
    assert len(desk.signals) == 1
    assert [(d.step, d.ts) for d in desk.decisions if d.step == "pending"] == [("pending", at(1)), ("pending", at(11))]

    desk.feed(answer(20, desk.signals[0], "cancelled"), tick(20))
    assert [s.ts for s in desk.signals] == [at(0), at(20)]


def test_an_exit_that_nobody_answers_is_given_up_after_the_patience():
    """The signal was lost: another leaves."""
    desk = Desk(strategy(cooldown=0.0, per_minute=100.0, orders={"patience": 15.0}))
    desk.feed(tick(0), price(0, 97.0), fill(0, "buy", 1.0, 100.0), position(0, 1.0))
    desk.feed(*(tick(s) for s in range(1, 20)))

    assert [s.ts for s in desk.signals] == [at(0), at(15)]


sizes = st.integers(1, 10**12).map(lambda units: units / 10**8)
mids = st.integers(1, 10**8).map(lambda units: units / 1000)


@given(sizes, mids)
@example(7.12345679, 61234.565)
def test_an_amount_is_never_less_than_the_size_it_closes(size, mid):
    """In exact decimals, as the order-manager divides; and never more than one rounding above."""
    exact = Fraction(repr(size)) * Fraction(repr(mid))
    amount = worth(size, mid)

    assert exact <= Fraction(repr(amount)) <= exact * (1 + Fraction(1, 2**51))


@given(sizes, st.sampled_from([0.1, 0.25, 0.5, 1.0]), st.floats(0.01, 1.0), mids)
def test_what_is_closed_fits_and_never_leaves_a_rest_that_cannot_be(held, share, known, mid):
    """Within the amounts of the settings, as long as there is enough for one signal at all."""
    limits = Amount(minimum=10.0, maximum=100_000.0)
    closable = held * known
    found = closing(closable, share, held, mid, limits)
    if closable * mid < 10:
        assert found is None
        return

    rest = (closable - found.size) * mid
    assert 10 - 1e-3 <= found.amount <= 100_000
    assert found.size <= closable + 1e-9
    assert abs(rest) < 1e-3 or rest >= 10 - 1e-3
    if found.partial:
        assert found.size <= share * held + 1e-9


@pytest.mark.parametrize("value", [250_000.0, 100_005.0, 100_000.0])
def test_a_position_beyond_the_largest_amount_is_closed_in_parts(value):
    """One signal a minute, none of them above 100,000 nor below 10, at a price of 10."""
    size = value / 10
    desk = Desk(strategy(debounce=0.0, stop_loss={"percent": -1.0}))
    desk.feed(tick(0), price(0, 10.0), fill(0, "buy", size, 20.0), position(0, size))
    left = size
    for second in range(1, 300):
        if len(desk.signals) and desk.signals[-1].ts == at(second - 1):
            left -= desk.signals[-1].amount / 10
            desk.feed(answer(second, desk.signals[-1]), position(second, left))
        desk.feed(tick(second), price(second, 10.0))

    assert sum(s.amount for s in desk.signals) == pytest.approx(value)
    assert all(10 <= s.amount <= 100_000 for s in desk.signals)
    assert desk.stake() is None


def test_a_rest_below_the_smallest_amount_is_left_and_said():
    """The order-manager would raise it to its own minimum: more than there is to close."""
    desk = Desk(strategy())
    desk.feed(tick(0), price(0, 97.0), fill(0, "buy", 0.1, 100.0), position(0, 0.1))

    assert (desk.signals, desk.steps) == ([], ["position_unknown", "amount"])
    assert desk.decisions[-1].numbers["value"] == pytest.approx(9.7)


# --- reports ---


def test_a_report_from_the_middle_of_an_execution_is_late():
    """Of 2 sold the report has 1: until the next, 0 are sure. After ten seconds somebody else must have bought."""
    report = Report()
    report.told(2.0, None, clock=0)
    report.executed(-1.0, clock=1)
    report.executed(-1.0, clock=2)
    report.told(1.0, None, clock=3)
    assert (report.confirmed, report.stale) == (0.0, True)

    report.settle(3 + 10_000_000 - 1)
    assert (report.confirmed, report.stale) == (0.0, True)

    report.settle(3 + 10_000_000)
    assert (report.confirmed, report.stale) == (1.0, False)


def test_an_execution_that_the_report_has_already_moves_nothing():
    """First the position, then its fill, in two parts; what comes beyond is new."""
    report = Report()
    report.told(0.0, None, clock=0)
    report.told(1.0, None, clock=1)
    report.executed(0.5, clock=2)
    report.executed(0.5, clock=3)
    assert (report.moved, report.ahead, report.stale) == (0.0, 0.0, False)

    report.executed(-0.25, clock=4)
    assert (report.confirmed, report.stale) == (0.75, True)


steps = st.lists(st.tuples(st.sampled_from(["fill", "told", "heard"]), st.sampled_from([-2.0, -1.0, 1.0, 2.0])))


@given(steps)
def test_the_confirmed_position_is_never_more_than_both_sides_know(ops):
    """Fills reach us late or early, reports in order but late: what is confirmed was reported, and not closed since."""
    report, truth, unheard, untold = Report(), 0.0, [], []
    for what, size in ops:
        if what == "fill":
            truth += size
            unheard.append(size)
            untold.append(truth)
        elif what == "told" and untold:
            report.told(untold.pop(0), None, clock=0)
        elif what == "heard" and unheard:
            report.executed(unheard.pop(0), clock=0)
        if report.size is not None:
            assert abs(report.confirmed) <= abs(report.size)
            assert report.confirmed * report.size >= 0
        if not unheard and not untold and report.size is not None and not report.stale:
            assert report.confirmed == truth
            assert report.ahead == 0
