"""Champions and candidates in the flow: who predicts, what becomes of an event, and what the strategy does of it."""

from collections import Counter

import msgspec
import pytest

from schemas.codec import decode_decision, decode_signal, decode_vector
from schemas.learning import Target
from schemas.model import ONLINE
from tests.operators.online.made import (
    FALLS,
    RISES,
    SECOND,
    UNSURE,
    Known,
    Ran,
    activated,
    configured,
    learns,
    shadowed,
    shard,
    shop,
)
from tests.streams import START

QUIET = {"enabled": False}
"""No online model: the strategy has what is put in force alone."""


def between(records, first, last=10**6):
    return [record for record in records if first * SECOND <= record.ts - START < last * SECOND]


def ran(*controls, models=(RISES, FALLS, UNSURE), seconds=240, seed=5, **settings):
    return Ran(
        shard(seed, seconds, *configured(learns(**{**QUIET, **settings})), *controls, faults=False), shop(*models)
    )


def told(changes):
    return [(found.role, found.before, found.after, found.usable) for found in changes]


def test_the_champion_and_every_candidate_predict_on_the_rhythm():
    """The champion first, then the candidates in the order in which they came; nobody before the event."""
    found = ran(activated("v1", 60), shadowed("v3", 60), shadowed("v2", 120), shadowed("v3", 180, watching=False))

    assert not between(found.predictions, 0, 60)
    assert heard(found, 65, 120) == {("champion", "v1"), ("shadow", "v3")}
    assert heard(found, 125, 180) == {("champion", "v1"), ("shadow", "v3"), ("shadow", "v2")}
    assert heard(found, 185, 240) == {("champion", "v1"), ("shadow", "v2")}
    assert {said.ts // SECOND % 5 for said in found.predictions} == {0}


def heard(found, first, last):
    return {(said.role, said.model) for said in between(found.predictions, first, last)}


@pytest.mark.req("MS-US-4.5")
def test_a_promotion_and_a_rollback_change_who_predicts_from_the_next_turn_on():
    found = ran(activated("v1", 60), activated("v2", 120), activated("v1", 150), activated(None, 200))

    assert [heard(found, *span) for span in ((65, 120), (125, 150), (155, 200), (205, 240))] == [
        {("champion", "v1")}, {("champion", "v2")}, {("champion", "v1")}, set(),
    ]  # fmt: skip
    assert told(found.changes) == [
        ("champion", None, "v1", True),
        ("champion", "v1", "v2", True),
        ("champion", "v2", "v1", True),
        ("champion", "v1", None, True),
    ]
    origins = [found_at.origin for found_at in found.changes]
    assert origins == sorted(origins) and len(set(origins)) == 4


def test_outcomes_say_what_was_foretold_whoever_is_in_force_by_then():
    found = ran(activated("v1", 60), activated("v2", 120))
    of_v1 = [outcome for outcome in found.outcomes if outcome.model == "v1"]

    assert max(outcome.matured for outcome in of_v1) > START + 120 * SECOND
    assert {outcome.predicted for outcome in of_v1} == {1}
    assert all(outcome.probabilities == RISES.said for outcome in of_v1)
    said = {prediction.origin: prediction for prediction in found.predictions}
    for outcome in found.outcomes:
        prediction = said[outcome.prediction]
        assert (prediction.ts, prediction.model, prediction.price) == (outcome.ts, outcome.model, outcome.price)
        assert outcome.matured - outcome.ts == 30 * SECOND


def test_a_model_for_one_symbol_comes_before_that_for_all():
    found = ran(activated("v1", 60), activated("v2", 60, symbol="BBBUSDT"))

    assert {(said.symbol, said.model) for said in between(found.predictions, 65)} == {
        ("AAAUSDT", "v1"), ("BBBUSDT", "v2"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (None, "there is no such file"),
        ({"feature_registry_version": "other-9"}, "trained on feature registry other-9"),
        ({"features": ("mid_price", "moon_phase")}, "lacks: moon_phase"),
        ({"target": Target(horizon=300)}, "the strategy wants"),
    ],
)
@pytest.mark.req("TK-MS-27")
def test_a_model_that_does_not_fit_is_refused_loudly_and_warm_up_decides(model, problem):
    models = () if model is None else (Known("v1", RISES.said, **model),)

    found = ran(activated("v1", 60), models=models)

    [change] = found.changes
    assert not change.usable and problem in change.problem and change.after == "v1"
    assert [(record.problem, record.detail["model"]) for record in found.trouble] == [("model.refused", "v1")]
    assert problem in found.trouble[0].detail["reason"]
    assert not found.predictions
    later = [decode_decision(value) for value in found.of("decisions")]
    reasons = [decision.reason for decision in between(later, 65) if decision.step in ("edge", "signal")]
    assert reasons and all("model v1 cannot be used" in reason and "warm-up" in reason for reason in reasons)


def test_a_model_that_raises_is_not_asked_again_and_the_other_strategies_go_on():
    broken = Known("v1", {}, error=ZeroDivisionError("in a leaf"))
    strategies = configured(learns("a", **QUIET), learns("b", **QUIET))
    events = shard(5, 200, *strategies, activated("v1", 60, "a"), activated("v2", 60, "b"), faults=False)

    found = Ran(events, shop(broken, FALLS))

    failed = [record for record in found.trouble if record.problem == "model.failed"]
    assert [(record.detail["strategy"], record.detail["model"]) for record in failed] == [("a", "v1")]
    assert "in a leaf" in failed[0].detail["reason"]
    assert told(found.changes)[2:] == [("champion", "v1", "v1", False)]
    assert {said.strategy for said in found.predictions} == {"b"}
    assert len(between(found.predictions, 150)) > 10


def test_probabilities_that_are_none_count_as_a_failure():
    found = ran(activated("v1", 60), models=(Known("v1", {"-1": float("nan"), "0": 0.5, "1": 0.5}),))

    assert [record.problem for record in found.trouble] == ["model.failed", "model.refused"]


@pytest.mark.req("MS-US-3.1")
def test_a_champion_that_rises_buys_and_one_that_falls_sells():
    """Decisions name the model and its probabilities."""
    found = ran(activated("v1", 60), activated("v2", 150), frequency=30, confidence=0.5)
    signals = [decode_signal(value) for value in found.of("signals")]
    bought, sold = between(signals, 62, 150), between(signals, 152)

    entries = [signal for signal in bought if signal.kind == "entry"]
    assert entries and {(signal.side, signal.model_version, signal.is_warmup) for signal in entries} == {
        ("buy", "v1", False)
    }
    assert {(signal.side, signal.model_version) for signal in sold if signal.model_version == "v2"} <= {("sell", "v2")}
    decisions = [decode_decision(value) for value in found.of("decisions")]
    numbers = [gate for decision in between(decisions, 62, 150) for gate in decision.gates if gate["gate"] == "edge"]
    assert numbers and all(gate["buy_probability"] == 0.7 and gate["confidence"] == 0.7 for gate in numbers)


def test_the_side_is_what_the_strategy_would_do_of_it():
    found = ran(activated("v1", 60), shadowed("v2", 60), shadowed("v3", 60), confidence=0.65)

    sides = {(said.model, said.label, said.side) for said in found.predictions}
    assert sides == {("v1", 1, "buy"), ("v2", -1, None), ("v3", 0, None)}


def test_the_online_model_can_be_the_champion_too():
    found = ran(activated(ONLINE, 60, sha256=""), enabled=True, seconds=600)

    by_time = {}
    for said in found.predictions:
        by_time.setdefault((said.symbol, said.ts), []).append(said)
    assert len(by_time) > 50
    for both in by_time.values():
        assert [(said.role, said.model) for said in both] == [("online", ONLINE), ("champion", ONLINE)]
        assert both[0].probabilities == both[1].probabilities
    assert any(decode_signal(value).model_version == ONLINE for value in found.of("signals"))


def test_the_online_model_cannot_be_the_champion_where_none_learns():
    found = ran(activated(ONLINE, 60))

    assert not found.changes[0].usable
    assert "learning.online.enabled" in found.changes[0].problem


def test_tainted_vectors_are_neither_predicted_nor_learned_from():
    events = shard(11, 900, *configured(learns()), activated("v1", 30))
    found = Ran(events, shop(RISES))
    vectors = [decode_vector(value) for value in found.of("features")]
    tainted = {(vector.symbol, vector.ts) for vector in vectors if vector.tainted}

    assert len(tainted) > 20
    assert not tainted & {(said.symbol, said.ts) for said in found.predictions}
    for outcome in found.outcomes:
        span = range(outcome.ts, outcome.matured + 1, SECOND)
        assert not any((outcome.symbol, ts) in tainted for ts in span)


def test_a_pipeline_begins_anew_when_what_it_learns_changes_and_says_so():
    """Another target: everything that was learned and scored is of another question."""
    other = learns(target=Target(horizon=10, threshold=0.0001))
    found = Ran(shard(5, 700, *configured(learns()), *configured(other, second=400), faults=False))

    resets = [record for record in found.trouble if record.problem == "model.reset"]
    assert [record.symbol for record in resets] == ["AAAUSDT", "BBBUSDT"]
    assert all("lessons are forgotten" in record.detail["reason"] for record in resets)
    assert {said.horizon for said in between(found.predictions, 405)} == {10}
    learned = [score.learned for score in found.scores if score.symbol == "AAAUSDT"]
    assert max(between_scores(found, 0, 400)) > min(between_scores(found, 460, 700)), learned


def between_scores(found, first, last):
    return [score.learned for score in between(found.scores, first, last) if score.symbol == "AAAUSDT"]


def test_settings_that_are_told_again_change_nothing():
    """Every start of the program tells them."""
    events = shard(5, 500, *configured(learns()), faults=False)
    again = shard(5, 500, *configured(learns()), *configured(learns(), second=300), faults=False)

    strip = lambda found: [msgspec.structs.replace(said, origin=None) for said in found.predictions]  # noqa: E731
    assert strip(Ran(events)) == strip(Ran(again))
    assert not Ran(again).trouble


def test_a_changed_target_makes_the_champion_unusable_and_the_old_one_brings_it_back():
    other = learns(**QUIET, target=Target(horizon=10))
    found = ran(activated("v1", 60), *configured(other, second=100), *configured(learns(**QUIET), second=150))

    assert told(found.changes) == [
        ("champion", None, "v1", True),
        ("champion", "v1", "v1", False),
        ("champion", "v1", "v1", True),
    ]
    assert not heard(found, 105, 150)
    assert heard(found, 155, 240) == {("champion", "v1")}


def test_a_feature_that_the_registry_lacks_is_told_and_the_online_model_stays_silent():
    found = Ran(shard(5, 300, *configured(learns(features=("mid_price", "moon_phase"))), faults=False))

    assert [(record.problem, record.detail["model"]) for record in found.trouble] == [("model.refused", ONLINE)]
    assert "moon_phase" in found.trouble[0].detail["reason"]
    assert not found.predictions


def test_where_nobody_learns_nothing_is_remembered():
    found = ran()

    assert not found.predictions and not found.changes
    assert found.stage.snapshot() == (([], []), ([[], []], [], [], []), [])


def test_a_long_horizon_and_a_short_rhythm_remember_a_bounded_part():
    """A day at a prediction a second: every prediction is told, every 44th waits for its outcome."""
    target = Target(horizon=86_400)
    found = Ran(shard(5, 600, *configured(learns(**QUIET, every=1, target=target)), activated("v1"), faults=False),
                shop(Known("v1", RISES.said, target=target)))  # fmt: skip

    assert len(found.predictions) > 900
    waiting = [len(watch.waiting) for watch in found.stage.watches.values()]
    assert Counter(said.symbol for said in found.predictions).most_common()[0][1] / max(waiting) > 40


def test_a_disabled_strategy_neither_predicts_nor_learns():
    quiet = msgspec.structs.replace(learns(), enabled=False)
    found = Ran(shard(5, 300, *configured(quiet), activated("v1"), faults=False), shop(RISES))

    assert not found.predictions
