"""How good the models are: figures beside pandas and scikit-learn, hourly points, degradation."""

import math
from random import Random

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from learning.governor.actions import Raise
from learning.governor.marks import Marks
from learning.governor.quality import Trades, foretold, point, traded
from schemas.account import Execution
from schemas.model import ModelActivated
from schemas.origin import Origin
from schemas.prediction import Outcome
from schemas.quality import QualityRecord
from tests.learning.governor.made import (
    HOUR,
    MINUTE,
    ORIGIN,
    PROMOTION,
    SECOND,
    START,
    World,
    execution,
    outcome,
    strategy,
    trained,
)


def random_outcomes(seed: int, count: int) -> list[Outcome]:
    random = Random(seed)
    found = []
    for number in range(count):
        weights = [random.random() + 0.01 for _ in range(3)]
        said = {text: weight / sum(weights) for text, weight in zip(("-1", "0", "1"), weights, strict=True)}
        ts = START + number * SECOND
        predicted = int(max(said, key=said.__getitem__))
        label = random.choice([-1, 0, 1])
        found.append(
            Outcome(
                "alpha",
                "BTCUSDT",
                ts,
                ts + MINUTE,
                "v1",
                "champion",
                1.0,
                1.0,
                0.0,
                label,
                predicted,
                said,
                ORIGIN,
                ORIGIN,
            )
        )
    return found


@given(st.integers(0, 10_000), st.integers(1, 80), st.integers(1, 100))
@settings(deadline=None, max_examples=40)
def test_figures_of_predictions_equal_scikit_learn_and_a_table_of_bins(seed: int, count: int, window: int) -> None:
    outcomes = random_outcomes(seed, count)
    marks = Marks()
    for one in outcomes:
        marks.add(one)
    found = foretold(marks.last(window, 0))

    frame = pd.DataFrame(
        {
            "label": [one.label for one in outcomes],
            "said": [one.predicted for one in outcomes],
            "confidence": [max(one.probabilities.values()) for one in outcomes],
        }
    ).tail(window)
    table = np.array([[one.probabilities[text] for text in ("-1", "0", "1")] for one in outcomes])[-window:]
    assert found["accuracy"] == pytest.approx(accuracy_score(frame["label"], frame["said"]))
    assert found["log_loss"] == pytest.approx(log_loss(frame["label"], table, labels=[-1, 0, 1]))
    assert found["majority"] == pytest.approx(frame["label"].value_counts(normalize=True).max())
    frame["hit"] = frame["label"] == frame["said"]
    bins = frame.groupby(pd.cut(frame["confidence"], np.arange(11) / 10), observed=True)
    expected = sum(abs(part["hit"].mean() - part["confidence"].mean()) * len(part) for _, part in bins) / len(frame)
    assert found["calibration"] == pytest.approx(expected)


def trades_of(nets: list[float], version: str | None = "v1", every: int = MINUTE) -> tuple[Trades, list[Execution]]:
    """Round trips of one unit bought at 100, without fees, each as profitable as said."""
    trades, made = Trades(), []
    for number, net in enumerate(nets):
        ts = START + 2 * number * every
        made.append(execution(ts, "buy", 100.0, 0.0, 0.0, version, fee=0.0))
        made.append(execution(ts + every, "sell", 100.0 + net, 1.0, net, None, fee=0.0))
    for one in made:
        trades.add(one)
    return trades, made


@given(st.lists(st.floats(-50, 50).map(lambda net: round(net, 2)), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_figures_of_trades_equal_pandas(nets: list[float]) -> None:
    trades, _ = trades_of(nets)
    found = traded(trades.closed("v1", 0))

    frame = pd.Series(nets)
    curve = pd.concat([pd.Series([0.0]), frame.cumsum()])
    assert found["win_rate"] == pytest.approx((frame > 0).mean())
    assert found["total_pnl"] == pytest.approx(frame.sum(), abs=1e-9)
    assert found["avg_pnl"] == pytest.approx(frame.mean(), abs=1e-9)
    assert found["max_drawdown"] == pytest.approx((curve.cummax() - curve).max(), abs=1e-9)
    lost = -frame[frame <= 0].sum()
    if lost > 0:
        assert found["profit_factor"] == pytest.approx(frame[frame > 0].sum() / lost)
    else:
        assert "profit_factor" not in found
    gains = frame / 100
    if len(nets) > 1 and gains.std() > 1e-9:
        assert found["sharpe_ratio"] == pytest.approx(gains.mean() / gains.std())


@pytest.mark.req("MS-US-3.5")
def test_a_trade_counts_for_the_model_that_opened_it_and_not_for_the_exit_that_closed_it() -> None:
    trades, _ = trades_of([1.0, 2.0])
    for one in (
        execution(START + HOUR, "sell", 100.0, 0.0, 0.0, None),
        execution(START + HOUR + 1, "buy", 99.0, 1.0, 1.0, "v2"),
    ):
        trades.add(one)

    assert [round(trip.net, 6) for trip in trades.closed("v1", 0)] == [1.0, 2.0]
    assert [round(trip.net, 6) for trip in trades.closed(None, 0)] == [0.8]
    assert trades.closed("v2", 0) == []
    assert trades.versions() == ["v1", None]


def test_figures_look_back_a_day_and_never_ahead() -> None:
    trades, _ = trades_of([1.0] * 60, every=30 * MINUTE)  # one an hour
    marks = Marks()
    for one in random_outcomes(1, 50):
        marks.add(one)
    ts = START + 40 * HOUR

    found = point("alpha", "v1", ts, marks, trades, 500)
    assert found.trades == 24
    assert point("alpha", "v1", START + 30 * SECOND + MINUTE, marks, trades, 500).samples == 31
    assert point("alpha", "v1", START + 30 * SECOND + MINUTE, marks, trades, 10).samples == 10


@pytest.mark.req("TK-MS-08", "TK-MS-09", "MS-US-2.5")
def test_every_hour_of_the_log_has_its_point_for_every_model_once() -> None:
    world = World(strategy())
    found = []
    for minute in range(0, 200, 5):
        ts = START + minute * MINUTE
        world.feed(outcome(ts, minute % 2 > 0, "v1"))
        world.feed(outcome(ts, True, "v2"))
        world.at(ts + MINUTE)
        found += world.governor.points()

    assert [(one.version, (one.ts - START) // HOUR) for one in found][-6:] == [
        ("v1", 1), ("v2", 1), ("v1", 2), ("v2", 2), ("v1", 3), ("v2", 3),
    ]  # fmt: skip
    assert all(one.metrics["accuracy"] == 1.0 for one in found if one.version == "v2")
    again = world.replayed()
    assert [one for one in again.points() if one.ts > START] == [one for one in found if one.ts > START]
    best = max(world.governor.figures(world.now), key=lambda one: one.metrics["accuracy"])
    assert best.version == "v2"


# --- degradation ---


def alerts(world: World) -> list[tuple[str, str]]:
    return [(a.alert.kind, a.alert.measure) for _, a in world.told if isinstance(a, Raise)]


@pytest.mark.req("MS-US-4.4")
def test_an_alert_is_raised_on_the_outcome_that_shows_it_and_once() -> None:
    stays = msgspec.structs.replace(PROMOTION, automatic=False)
    world = World(strategy(promotion=stays))
    world.broadcast(ModelActivated(START, "alpha", "v1"))
    ts = START
    right = [True] * 20 + [False] * 40
    shown = []
    for number, one in enumerate(right):
        ts += 10 * SECOND
        world.feed(outcome(ts, one))
        if world.at(ts + MINUTE):
            shown.append(number)

    assert alerts(world) == [("model.degraded", "accuracy")]
    assert shown[0] == 28  # nine of the last twenty are wrong: 55 %, below 60 %


def test_a_relative_drop_from_what_the_test_split_promised_is_an_alert() -> None:
    stays = msgspec.structs.replace(PROMOTION, automatic=False, accuracy=0.5)
    world = World(strategy(promotion=stays))
    world.feed(trained("v1", START, {"accuracy": 0.95}))
    world.at(START)
    world.broadcast(ModelActivated(START, "alpha", "v1"))
    world.run("v1", [True, True, True, False, False] * 8, START)  # 60 %, above the threshold

    assert alerts(world) == [("model.degraded", "accuracy_drop")]


def test_a_win_rate_far_below_the_backtests_is_an_alert() -> None:
    world = World(strategy())
    world.feed(trained("v1", START, {"trading_win_rate": 0.6}))
    world.broadcast(ModelActivated(START, "alpha", "v1"))
    _, made = trades_of([1.0] * 8 + [-1.0] * 12)
    for number, one in enumerate(made):
        world.feed(msgspec.structs.replace(one, ts=START + number * MINUTE))
        world.at(START + number * MINUTE)

    assert alerts(world) == [("model.degraded", "win_rate")]


def test_a_champion_that_is_well_again_is_said_to_be_and_may_degrade_again() -> None:
    stays = msgspec.structs.replace(PROMOTION, automatic=False)
    world = World(strategy(promotion=stays))
    world.broadcast(ModelActivated(START, "alpha", "v1"))
    end = START
    for rights in ([True] * 20, [False] * 20, [True] * 30, [False] * 20):
        end = world.run("v1", rights, end)

    kinds = [kind for kind, measure in alerts(world) if measure == "accuracy"]
    assert kinds == ["model.degraded", "model.recovered", "model.degraded"]


def test_a_model_that_a_shard_cannot_use_is_an_alert_once() -> None:
    world = World(strategy())
    detail: dict[str, int | float | str] = {"strategy": "alpha", "model": "v1", "reason": "model v1: there is no file"}
    world.feed(QualityRecord("BTCUSDT", START, "model.refused", detail, Origin(1, 5, 0)), 1)
    world.at(START)
    world.at(START + MINUTE)

    assert alerts(world) == [("model.refused", "")]
    assert world.replayed().decide() == []


def test_nothing_is_made_of_nothing() -> None:
    assert foretold([]) == traded([]) == {}
    assert not math.isnan(traded(trades_of([0.0])[0].closed("v1", 0))["win_rate"])
