"""What every feature promises, whatever it computes: one suite over the whole catalogue."""

import ast
import inspect
import math
import random
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import operators.features
from operators.features import FEATURES, FORMULAS, View
from operators.features.catalogue import Feature
from operators.features.featureset import FeatureSet
from operators.spans import HOUR, MINUTE, SECOND
from tests.operators.drawn_market import SOURCES, Market, drawn_events

T = 1_700_000_040 * SECOND
BIDS = [(100 - k / 10, 1.0 + k % 3) for k in range(10)]
ASKS = [(100.1 + k / 10, 2.0 + k % 4) for k in range(10)]
ALWAYS = {name for name in FEATURES if name.startswith(("time_of_day", "hour_of_day", "day_of_week"))}
EVERYTHING = FeatureSet("everything", [(name, feature, None) for name, feature in FEATURES.items()])


def by_reach():
    """Features that look back equally far, together."""
    groups = defaultdict(list)
    for name, feature in FEATURES.items():
        groups[feature.reach].append(name)
    return sorted(groups.items())


def built(events, since, t=T, restarts=None):
    """A market that saw the events after ``since``."""
    market = Market(since)
    for event in events:
        if event[0] > since:
            if restarts is not None and restarts.random() < 0.02:
                market.restart()
            market.feed(*event)
    return market.view(t, BIDS, ASKS)


@pytest.mark.req("FS-SC-002", "FS-FR-008")
@given(
    seed=st.integers(0, 2**32), steady=st.booleans(), offset=st.one_of(st.integers(0, 120), st.integers(6_300, 7_000))
)
@settings(max_examples=60, deadline=None)
def test_a_value_depends_on_nothing_older_than_its_look_back(seed, steady, offset):
    """A replay that begins one look-back before t, with empty states, finds the same bits as one that saw more.

    Some of the drawn times lie about a settlement of funding, 6,360 s after T.
    """
    t = T + offset * SECOND
    events = drawn_events(seed, t, 36, steady)
    whole = EVERYTHING.compute(built(events, t - 40 * HOUR, t))
    for reach, names in by_reach():
        late = EVERYTHING.compute(built(events, t - reach, t))
        assert {name: late[name] for name in names} == {name: whole[name] for name in names}, reach / MINUTE


@given(seed=st.integers(0, 2**32), steady=st.booleans())
@settings(max_examples=30, deadline=None)
def test_no_value_is_changed_by_restarts(seed, steady):
    """States restored from their snapshots at random moments give the same bits."""
    events = drawn_events(seed, T, 26, steady)

    undisturbed = EVERYTHING.compute(built(events, T - 26 * HOUR))
    disturbed = EVERYTHING.compute(built(events, T - 26 * HOUR, restarts=random.Random(seed)))

    assert disturbed == undisturbed


def test_every_feature_has_a_value_in_a_market_that_is_covered():
    """Otherwise the properties above would compare nothing with nothing."""
    known = set()
    for seed in range(4):
        values = EVERYTHING.compute(built(drawn_events(seed, T, 36, steady=True), T - 36 * HOUR))
        known |= {name for name, value in values.items() if value is not None}

    assert known == set(FEATURES)


@pytest.mark.parametrize("name", FEATURES)
def test_nothing_is_known_of_an_empty_view(name):
    """No guess: only the calendar needs no data."""
    value = FEATURES[name](View(T))

    assert (value is not None) == (name in ALWAYS)


@pytest.mark.parametrize("name", [name for name, feature in FEATURES.items() if "trades" in feature.sources])
def test_tape_features_need_their_whole_window_covered(name):
    """Covered since exactly the window's start is enough; a microsecond later is not."""
    feature = FEATURES[name]
    market = Market(0)
    for k in range(600):
        market.tape.add(T - 60 * SECOND + k * SECOND // 10 + 1, "buy" if k % 2 else "sell", 100.0 + k, 1.0)
    known = []
    for since in (T - feature.window, T - feature.window + 1, None):
        view = View(T, BIDS, ASKS, market.tape, covered={"trades": since})
        known.append(feature(view) is not None)

    assert known == [True, False, False]


@pytest.mark.parametrize("extreme", [1e-300, 1e-12, 1e12, 1e300, 1.7e308])
def test_values_are_finite_floats_or_absent_at_any_scale(extreme):
    """Overflow and division by zero make a value absent, never infinite, and never raise."""
    market = Market(0)
    for k in range(1500):
        start = T - (1500 - k) * MINUTE
        price = extreme * (1 + k % 7 / 10)
        market.candles.add(T, start, price, price * 1.01, price * 0.99, price, extreme if k % 3 else 0.0)
    for k in range(60):
        market.tape.add(T - (59 - k) * SECOND, "buy" if k % 2 else "sell", extreme * (1 + k % 5 / 10), extreme)
    levels = [(extreme * (1 + k / 10), extreme) for k in range(10)]

    values = EVERYTHING.compute(View(T, levels, levels, market.tape, candles=market.candles,
                                     covered=dict.fromkeys(SOURCES, 0)))  # fmt: skip

    assert all(value is None or (type(value) is float and math.isfinite(value)) for value in values.values())
    assert list(values) == list(FEATURES)


def test_a_compiled_set_computes_what_each_feature_computes_alone():
    """Same keys in the same order, same bits."""
    view = built(drawn_events(5, T, 26, steady=True), T - 26 * HOUR)

    assert EVERYTHING.compute(view) == {name: feature(view) for name, feature in FEATURES.items()}
    assert list(EVERYTHING.compute(view)) == list(EVERYTHING.names)


def test_remembered_candle_values_end_with_the_candle_and_with_its_age():
    """They are computed once for each candle, and not shown when the candles are out of date."""
    market = Market(T - MINUTE)
    market.candles.add(T, T - MINUTE, 1.0, 2.0, 1.0, 2.0, 1.0)
    one = FeatureSet("one", [("candle_body", FEATURES["candle_body"], None)])

    first = one.compute(market.view(T))
    market.candles.add(T + MINUTE, T, 1.0, 2.0, 1.0, 1.0, 1.0)
    second = one.compute(market.view(T + MINUTE))
    stale = one.compute(View(T + 3 * MINUTE, candles=market.candles))

    assert (first, second, stale) == ({"candle_body": 0.5}, {"candle_body": 0.0}, {"candle_body": None})


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_say_what_they_are_and_bound_their_parameters(name):
    """A docstring, limits for each parameter, and a reach that is at least the window."""
    formula = FORMULAS[name]
    parameters = list(inspect.signature(formula.compute).parameters)[1:]

    assert formula.compute.__doc__
    assert set(parameters) == set(formula.limits)
    for edge in (0, 1):
        feature = Feature("edge", formula, {key: limits[edge] for key, limits in formula.limits.items()})
        assert feature.reach >= feature.window >= 0
        assert feature(View(T)) is None or name in {"hour_sin", "hour_cos", "day_of_week_sin", "day_of_week_cos"}


def test_features_may_only_be_computed_at_whole_seconds():
    """Everything is bucketed by the second."""
    with pytest.raises(ValueError, match="whole seconds"):
        View(T + 1)


def test_features_add_floats_exactly():
    """Neither the built-in sum (it changed with Python 3.12) nor numpy's reductions (they depend on the processor)."""
    inexact = {"sum", ".sum", ".mean", ".std", ".var", ".dot", ".cumsum", ".corrcoef", ".average"}
    called = [
        (path.name, node.lineno, node.func.id if isinstance(node.func, ast.Name) else f".{node.func.attr}")
        for path in Path(operators.features.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    ]

    assert len(called) > 100
    assert [call for call in called if call[2] in inexact] == []
