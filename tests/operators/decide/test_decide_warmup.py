"""What warm-up and models make of a vector: heuristics checked by hand, blending, chance and amounts."""

from math import sqrt
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.decide.chance import draws
from operators.decide.heuristics import mean_reversion, momentum
from operators.decide.model import model_idea
from operators.decide.predictor import Forecast
from operators.decide.warmup import warmup_idea
from schemas.origin import Origin
from schemas.vector import FeatureVector
from tests.operators.decide.chain import strategy

RISING = {"returns_1m": 0.003}
"""Three deviations up in a market without volatility: momentum 0.75."""


def vector(features=None, offset=5):
    return FeatureVector("BTCUSDT", 0, 0, ["1s"], features or {}, "test", False, [], Origin(0, offset, 0))


def warm(**settings):
    return strategy(warmup={"randomness": 0.0, "mean_reversion": 0.0} | settings)


def idea(features=None, offset=5, price=100.0, **settings):
    return warmup_idea(warm(**settings), vector(features, offset), price)


def scores(parts):
    return {part.name: part.score for part in parts}


# --- heuristics ---


def test_momentum_by_hand():
    """Each part is x / (1 + |x|) of the move in deviations."""
    features = {
        "returns_1m": 0.004, "volatility_1m": 0.001, "returns_5m": -0.006, "volatility_5m": 0.003,
        "price_ema9_ratio": 1.001, "price_ema21_ratio": 0.997, "ema9_ema21_diff": 0.004, "returns_1s": 9.0,
    }  # fmt: skip
    one, five = 4 / sqrt(60), -2 / sqrt(5)

    assert scores(momentum(features, 100.0)) == pytest.approx({
        "returns_1m": one / (1 + one), "returns_5m": five / (1 - five),
        "price_ema9_ratio": 0.5, "price_ema21_ratio": -0.75, "ema9_ema21_diff": 0.8,
    })  # fmt: skip


def test_mean_reversion_by_hand():
    """Above its bands, its volume-weighted price and with a high RSI, a price should fall."""
    features = {"price_zscore_20": 4.0, "vwap_1m": 98.0, "rsi_14": 90.0, "bb_lower_20": 0.0, "bb_upper_20": 1.0}
    stray = (100 / 98 - 1) / 0.001

    assert scores(mean_reversion(features, 100.0)) == pytest.approx(
        {"price_zscore_20": -2 / 3, "vwap_1m": -stray / (1 + stray), "rsi_14": -2 / 3}
    )


@pytest.mark.parametrize("names", [("bb_lower_20", "bb_upper_20"), ("BB_lower", "BB_upper")])
def test_the_bands_stand_in_for_the_zscore(names):
    """At the lower band the raw score is 1; bands of no width say nothing."""
    lower, upper = names

    assert scores(mean_reversion({lower: 90.0, upper: 110.0}, 90.0)) == {"bands": 0.5}
    assert scores(mean_reversion({lower: 90.0, upper: 110.0}, 100.0)) == {"bands": 0.0}
    assert mean_reversion({lower: 90.0, upper: 90.0}, 90.0) == []


def test_a_missing_or_null_feature_drops_its_part():
    """Whatever a registry has is used, and named."""
    parts = momentum({"returns_1m": None, "returns_5m": 0.002, "volatility_5m": None}, 100.0)

    assert scores(parts) == {"returns_5m": 0.5}
    assert parts[0].used == ("returns_5m",)
    assert mean_reversion({"RSI_14": 30.0, "vwap_1m": None}, 100.0)[0].score == 0.5


@given(
    st.dictionaries(
        st.sampled_from(["returns_1m", "volatility_1m", "returns_5m", "volatility_5m", "price_ema9_ratio",
                         "price_ema21_ratio", "ema9_ema21_diff", "price_zscore_20", "vwap_1m", "rsi_14",
                         "bb_lower_20", "bb_upper_20"]),
        st.none() | st.floats(-1e12, 1e12),
    ),
    st.floats(1e-6, 1e9),
)  # fmt: skip
def test_every_part_is_between_minus_one_and_one(features, price):
    """Whatever the features."""
    for name in ("volatility_1m", "volatility_5m", "vwap_1m"):
        if features.get(name) is not None:
            features[name] = abs(features[name])

    for part in momentum(features, price) + mean_reversion(features, price):
        assert -1 <= part.score <= 1


# --- blending ---


@pytest.mark.req("MS-FR-007")
def test_the_weights_blend_the_two_views():
    """Momentum 0.75 and mean reversion -0.5 with weights 3 and 1 are (2.25 - 0.5) / 4."""
    features = RISING | {"price_zscore_20": 2.0}
    found = idea(features, momentum=3.0, mean_reversion=1.0)

    assert found.numbers["momentum"] == pytest.approx(0.75)
    assert found.numbers["mean_reversion"] == -0.5
    assert found.numbers["score"] == pytest.approx(1.75 / 4)
    assert found.plan.side == "buy"
    assert found.plan.confidence == pytest.approx(0.5 + 1.75 / 8)
    assert found.plan.used == ("returns_1m", "price_zscore_20")


def test_a_view_without_weight_or_without_features_has_no_say():
    """And does not dilute the other."""
    assert idea(RISING | {"price_zscore_20": 9.0}).numbers["score"] == pytest.approx(0.75)
    assert idea(RISING, mean_reversion=5.0).numbers["score"] == pytest.approx(0.75)


def test_no_edge_below_the_threshold():
    """The reason has the numbers."""
    found = idea({"returns_1m": 0.0001}, threshold=0.1)

    assert found.plan is None
    assert found.reason == "no edge: score +0.091 from momentum +0.091, below 0.1"


def test_a_score_at_the_threshold_is_not_below_it():
    """Two deviations below the mean are exactly one half."""
    at_it = idea({"price_zscore_20": -2.0}, momentum=0.0, mean_reversion=1.0, threshold=0.5)
    below = idea({"price_zscore_20": -1.99}, momentum=0.0, mean_reversion=1.0, threshold=0.5)

    assert at_it.plan.side == "buy"
    assert below.plan is None


def test_a_view_without_weight_cannot_stand_in_for_one_without_features():
    assert "none of the features that momentum need" in idea({"price_zscore_20": 2.0}).reason


def test_no_heuristic_is_certain():
    """However far the price went."""
    assert idea({"returns_1m": 1e9}).plan.confidence == 0.99


def test_no_feature_of_a_view_is_a_skip_that_says_so():
    found = idea({"spread_abs": 1.0}, mean_reversion=1.0)

    assert found.plan is None
    assert found.reason == "no edge: the vector has none of the features that momentum and mean reversion need"


@pytest.mark.req("MS-US-1.4", "MS-FR-011")
def test_without_randomness_only_the_features_count():
    """Another vector with the same features gives the same plan."""
    plans = [idea(RISING, offset).plan for offset in range(20)]

    assert all(plan == plans[0] for plan in plans)
    assert plans[0].amount == 775.0
    assert plans[0].details["randomness_level"] == 0.0


@pytest.mark.req("MS-US-1.4", "MS-FR-011")
def test_with_full_randomness_the_features_do_not_count():
    """Both sides come up about as often, with features, with others, and without any."""
    for offset in range(50):
        plans = [idea(features, offset, randomness=1.0, threshold=0.0).plan for features in (RISING, {}, None)]
        assert plans[0].side == plans[1].side == plans[2].side
        assert plans[0].amount == plans[1].amount == plans[2].amount
    buys = sum(idea({}, offset, randomness=1.0, threshold=0.0).plan.side == "buy" for offset in range(1000))
    assert 440 < buys < 560


def test_randomness_mixes_linearly():
    """A score halfway between heuristic and chance."""
    found = idea(RISING, randomness=0.5, threshold=0.0)
    chance = 2 * draws(Origin(0, 5, 0), "s")[0] - 1

    assert found.numbers["score"] == pytest.approx((0.75 + chance) / 2)
    assert found.numbers["chance"] == chance


@pytest.mark.req("MS-US-1.4", "MS-FR-008")
@given(st.floats(0, 1), st.floats(0, 900), st.floats(0, 900), st.floats(-0.1, 0.1), st.integers(0, 500))
def test_amounts_and_confidence_stay_within_their_limits(randomness, least, more, move, offset):
    """Whatever the settings: the amount between the two, the confidence in (0, 1) and 0.9 only for a strong score."""
    settings = {"randomness": randomness, "min_amount": least, "max_amount": least + more, "threshold": 0.0}
    plan = idea({"returns_1m": move}, offset, **settings).plan
    if plan is None:
        return

    assert least <= plan.amount <= least + more
    assert 0 < plan.confidence < 1
    score = abs(plan.details["heuristics"]["score"])
    assert (plan.confidence >= 0.9) <= (score >= 0.8 - 1e-9)
    assert 0 <= plan.details["risk_score"] <= 1


def test_a_stronger_score_asks_for_more():
    """The amount grows with the score between the two amounts."""
    amounts = [idea({"returns_1m": move}).plan.amount for move in (0.0005, 0.001, 0.003, 0.009)]

    assert amounts == [400.0, 550.0, 775.0, 910.0]


# --- chance ---


def test_draws_are_uniform_and_differ_between_strategies():
    """Means, quarters and correlation of ten thousand: within five deviations of what chance allows."""
    pairs = [draws(Origin(1, offset, 0), "s") for offset in range(10_000)]
    for values in zip(*pairs, strict=True):
        assert abs(fmean(values) - 0.5) < 5 * 0.2887 / 100
        assert all(abs(sum(q <= v * 4 < q + 1 for v in values) - 2500) < 220 for q in range(4))
    assert abs(fmean((a - 0.5) * (b - 0.5) for a, b in pairs)) < 5 / 12 / 100
    others = [draws(Origin(1, offset, 0), "t") for offset in range(10_000)]
    assert not set(pairs) & set(others)


# --- models ---


@pytest.mark.req("MS-US-3.1", "MS-FR-005")
def test_a_models_amount_follows_its_confidence():
    """The middle of 100 and 1000, times 0.5 + 0.5 * 0.8."""
    plan = model_idea(warm(), "v7", Forecast("sell", 0.8, {"sell_probability": 0.8}, ("returns_1m",))).plan

    assert (plan.side, plan.confidence, plan.is_warmup, plan.model_version) == ("sell", 0.8, False, "v7")
    assert plan.amount == pytest.approx(495.0)
    assert plan.details == {"prediction_result": {"prediction": "sell", "sell_probability": 0.8}}


@pytest.mark.req("MS-US-3.2")
def test_a_model_that_is_not_sure_enough_is_a_skip():
    found = model_idea(warm(), "v7", Forecast("buy", 0.7499, {}))

    assert found.plan is None
    assert found.reason == "no edge: model v7 is 75.0% sure of a buy, below 75.0%"
    assert model_idea(warm(), "v7", Forecast("buy", 0.75, {})).plan is not None
    assert "stay away" in model_idea(warm(), "v7", Forecast(None, 0.99, {})).reason


@pytest.mark.parametrize("confidence", [float("nan"), -0.1, 1.1])
def test_a_confidence_that_is_none_is_an_error(confidence):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        model_idea(warm(), "v7", Forecast("buy", confidence, {}))
