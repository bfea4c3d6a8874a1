"""Every rule against exact arithmetic over random price paths, and their order."""

from fractions import Fraction
from itertools import accumulate, permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from operators.exits.rule import Rule, in_order
from operators.exits.rules import RULES
from operators.exits.rules.stop_loss import StopLoss
from operators.exits.rules.take_profit import TakeProfit
from operators.exits.rules.time_based import TimeBased
from operators.exits.rules.trailing_stop import TrailingStop
from operators.exits.stake import Stake
from schemas.strategy import Exits
from tests.operators.exits.exit_desk import Desk, fill, position, price, strategy, tick

HOUR = 3_600_000_000
prices = st.integers(8_000, 12_000).map(lambda cents: cents / 100)
paths = st.lists(prices, min_size=1, max_size=40)
sizes = st.sampled_from([-3.0, -0.5, 0.125, 1.0, 40.0])
percents = st.integers(1, 40).map(lambda eighths: eighths / 8)


def exact(value: float) -> Fraction:
    return Fraction(repr(value))


def gain(size: float, entry: float, at: float) -> Fraction:
    """Per cent of the entry value, without rounding."""
    change = (exact(at) - exact(entry)) / exact(entry) * 100
    return change if size > 0 else -change


def walk(rule: Rule, settings: Exits, size: float, entry: float, path: list[float]) -> list[bool]:
    """Whether the rule triggers after each price of the path."""
    stake = Stake("s", "BTCUSDT", size, entry, 0)
    found = []
    for at in path:
        stake.see(at)
        found.append(rule.evaluate(settings, stake, at, 0) is not None)
    return found


def exits(**blocks) -> Exits:
    return strategy(**blocks).exits


@given(paths, sizes, prices, percents, st.none() | percents)
def test_stop_loss_equals_exact_arithmetic(path, size, entry, percent, absolute):
    """Strictly below, or a loss strictly beyond the absolute one."""
    settings = exits(stop_loss={"percent": -percent, "absolute": absolute})

    expected = [
        gain(size, entry, at) < -exact(percent)
        or (absolute is not None and exact(size) * (exact(entry) - exact(at)) > exact(absolute))
        for at in path
    ]
    assert walk(StopLoss(), settings, size, entry, path) == expected


@given(paths, sizes, prices, percents, st.none() | percents)
def test_take_profit_equals_exact_arithmetic(path, size, entry, percent, absolute):
    """Strictly above, or a profit strictly above the absolute one."""
    settings = exits(take_profit={"percent": percent, "absolute": absolute})

    expected = [
        gain(size, entry, at) > exact(percent)
        or (absolute is not None and exact(size) * (exact(at) - exact(entry)) > exact(absolute))
        for at in path
    ]
    assert walk(TakeProfit(), settings, size, entry, path) == expected


@given(paths, sizes, prices, percents, percents, st.none() | percents)
def test_trailing_stop_equals_exact_arithmetic(path, size, entry, activation, distance, lock_in):
    """Armed by the best price so far; triggers at the distance from it, or at the profit that is locked in."""
    assume(lock_in is None or lock_in < activation)
    trailing = {"enabled": True, "activation": activation, "distance": distance, "lock_in": lock_in}

    best = list(accumulate(path, max if size > 0 else min))
    expected = []
    for at, peak in zip(path, best, strict=True):
        armed = gain(size, entry, peak) >= exact(activation)
        away = abs(exact(peak) - exact(at)) / exact(peak) * 100 >= exact(distance)
        locked = lock_in is not None and gain(size, entry, at) <= exact(lock_in)
        expected.append(armed and (away or locked))
    assert walk(TrailingStop(), exits(trailing=trailing), size, entry, path) == expected


@given(prices, sizes, prices, st.integers(0, 30 * 3600), st.integers(1, 24), percents)
@pytest.mark.req("TK-MS-15")
def test_time_based_equals_exact_arithmetic(at, size, entry, seconds, hours, target):
    """After T hours always; after one hour at target * max(1 - t / T, 0.1)."""
    settings = exits(time={"enabled": True, "max_hours": hours, "target": target})
    stake = Stake("s", "BTCUSDT", size, entry, 7 * HOUR)
    found = TimeBased().evaluate(settings, stake, at, 7 * HOUR + seconds * 1_000_000)

    t = Fraction(seconds, 3600)
    decayed = exact(target) * max(1 - t / hours, Fraction(1, 10))
    assert (found is not None) == (t >= hours or (t >= 1 and gain(size, entry, at) >= decayed))


@given(prices, sizes, prices, st.integers(1, 99), st.booleans())
def test_only_the_first_profit_is_taken_in_part(at, size, entry, partial, done):
    """Whatever the price, a later one takes all."""
    stake = Stake("s", "BTCUSDT", size, entry, 0, partial_done=done)
    found = TakeProfit().evaluate(exits(take_profit={"partial": partial}), stake, at, 0)

    if found is not None:
        assert found.share == (1.0 if done else partial / 100)


@pytest.mark.req("MS-FR-028")
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_that_is_disabled_never_triggers(rule):
    """Whatever happened to the position."""
    off = {"enabled": False}
    settings = exits(take_profit=off, stop_loss=off, trailing=off, time=off)
    stake = Stake("s", "BTCUSDT", 1.0, 100.0, 0, peak=200.0)

    assert [rule.evaluate(settings, stake, at, 99 * HOUR) for at in (1.0, 100.0, 150.0, 1000.0)] == [None] * 4


@pytest.mark.req("TK-MS-14")
def test_priorities_are_those_of_the_contract():
    """Stop loss 20, trailing stop 15, take profit 10, time 5."""
    table = [(rule.name, rule.priority) for rule in RULES]

    assert table == [("stop_loss", 20), ("trailing_stop", 15), ("take_profit", 10), ("time_based", 5)]


def test_the_order_of_rules_does_not_depend_on_how_they_were_listed():
    """They are sorted by priority."""
    assert {in_order(listed) for listed in permutations(RULES)} == {RULES}


WINNERS = [
    # (which of stop loss, trailing stop, take profit and time trigger, the winner)
    ("1111", "stop_loss"), ("1000", "stop_loss"), ("1001", "stop_loss"), ("1100", "stop_loss"), ("1010", "stop_loss"),
    ("0111", "trailing_stop"), ("0100", "trailing_stop"), ("0110", "trailing_stop"), ("0101", "trailing_stop"),
    ("0011", "take_profit"), ("0010", "take_profit"), ("0001", "time_based"),
]  # fmt: skip


@pytest.mark.req("MS-US-5.5")
@pytest.mark.parametrize("who, winner", WINNERS)
def test_the_highest_priority_wins_and_all_are_named(who, winner):
    """Real rules, made to trigger at one price: absolute limits tell loss and profit apart from per cents."""
    stop, trail, profit, time = (digit == "1" for digit in who)
    # Bought at 100, peak 110, now 105: +5 % and 4.55 % off the peak. No loss: a stop that triggers is a stand-in.
    settings = strategy(
        stop_loss={"enabled": False},
        trailing={"enabled": trail, "distance": 4.0},
        take_profit={"enabled": profit, "percent": 4.0},
        time={"enabled": time, "target": 3.0},
        debounce=0.0,
    )
    rules = [StandIn() if rule.name == "stop_loss" else rule for rule in RULES] if stop else RULES
    desk = Desk(settings, rules=rules)
    desk.feed(tick(0), price(0, 110.0), fill(0, "buy", 1.0, 100.0), tick(3700), price(3700, 105.0))
    desk.feed(position(3700, 1.0))

    names = [name for name, on in zip((rule.name for rule in RULES), who, strict=True) if on == "1"]
    assert [signal.rule for signal in desk.signals] == [winner]
    assert desk.decisions[-1].numbers["triggered"] == ", ".join(names)


class StandIn(StopLoss):
    """A stop loss that triggers at any price."""

    def evaluate(self, settings, state, price, clock):
        return super().evaluate(exits(stop_loss={"percent": -0.001}), state, state.entry / 2, clock)
