"""Which settlements are paid, and which not."""

import pytest

from operators.paper.settlements import NEVER, Settlements
from operators.spans import HOUR, MINUTE

NOON = 500_000 * HOUR


def told_at(clock: int, at: int, rate: float = 0.01) -> Settlements:
    settlements = Settlements()
    settlements.announced(clock, rate, at)
    return settlements


def test_the_last_rate_before_the_settlement_counts():
    settlements = told_at(NOON - MINUTE, NOON)
    settlements.announced(NOON - 1, 0.02, NOON)

    assert settlements.pass_due(NOON - 1) is None
    assert settlements.pass_due(NOON) == 0.02
    assert settlements.pass_due(NOON + 1) is None


@pytest.mark.parametrize(("before", "known"), [(HOUR - 1, True), (HOUR, False), (0, True), (-1, False)])
def test_an_announcement_counts_for_an_hour(before, known):
    """As it does for the features: a rate that nobody repeated for so long is not in force."""
    assert (told_at(NOON - before, NOON).due == NOON) == known


@pytest.mark.parametrize(
    ("at", "paid"),
    [(NOON, True), (NOON - 10 * MINUTE, False), (NOON - 10 * MINUTE + 1, True), (NOON + MINUTE + 1, False)],
)
def test_a_settlement_told_late_is_paid_for_ten_minutes(at, paid):
    """And one dated in the future not at all."""
    assert (Settlements().told(NOON, 0.01, at) is not None) == paid


def test_a_minute_is_paid_once():
    """Whichever way it is heard of first, and whatever follows."""
    passed = told_at(NOON - 5, NOON)
    assert passed.pass_due(NOON) == 0.01
    assert passed.told(NOON + 5, 0.02, NOON + 3) is None
    passed.announced(NOON + 6, 0.02, NOON + 7)
    assert passed.due == NEVER

    told = told_at(NOON - 5, NOON + MINUTE - 1)
    assert told.told(NOON + 1, 0.02, NOON) == 0.02
    assert told.due == NEVER


def test_a_later_settlement_stays_announced():
    settlements = told_at(NOON - 5, NOON + 30 * MINUTE)

    assert settlements.told(NOON, 0.02, NOON) == 0.02
    assert settlements.due == NOON + 30 * MINUTE


@pytest.mark.parametrize("at", [None, NOON - 2 * HOUR])
def test_an_announcement_without_its_time_takes_the_one_before_back(at):
    settlements = told_at(NOON - 5, NOON)
    settlements.announced(NOON - 4, 0.02, at)

    assert settlements.due == NEVER
