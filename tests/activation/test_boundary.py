"""Which registry computes which second: vectors before the boundary carry the old version, all from it on the new."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows import features as recipe
from operators.engine import Engine
from schemas.codec import decode_event, decode_registry_change, decode_vector
from schemas.output import Output
from schemas.registry import RegistryActivated, RegistryChange
from schemas.vector import FeatureVector
from tests.activation.made import EVERY, FEWER, FIRST, LONGER, SCALED, Message, activation, features, market, story
from tests.streams import SECOND, START

SECONDS = 400


def run(messages: list[Message], registry: dict = FIRST) -> list[Output]:
    return recipe.engine(features(registry), 0).feed(messages)


def vectors(outputs: list[Output]) -> list[FeatureVector]:
    return [decode_vector(output.value) for output in outputs if output.topic == "features"]


def changes(outputs: list[Output]) -> list[RegistryChange]:
    return [decode_registry_change(output.value) for output in outputs if output.topic == "registries"]


def in_force(messages: list[Message], vector: FeatureVector) -> str:
    """The newest activation that was read before the vector came out and whose boundary lies at or before it."""
    version = FIRST["version"]
    for _, value in messages[: vector.origin.offset]:
        event = decode_event(value) if b"registry.activated" in value else None
        if isinstance(event, RegistryActivated) and event.at <= vector.ts:
            version = event.version
    return version


@pytest.mark.req("FS-US-5.2", "TK-RG-06")
def test_us_5_2_a_registry_that_is_updated_computes_from_its_boundary_on() -> None:
    """Registry updated and reloaded: the next computations use it, from a declared second on, without a restart."""
    messages = market(1, 120, [(40, activation(SCALED, START + 50 * SECOND))])

    outputs = run(messages)

    found = {(vector.ts - START) // SECOND: vector.feature_registry_version for vector in vectors(outputs)}
    assert {found[t] for t in range(1, 50)} == {"short-1"}
    assert {found[t] for t in range(50, 119)} == {"short-2"}
    (change,) = changes(outputs)
    assert (change.version, change.before, change.at, change.late) == ("short-2", "short-1", START + 50 * SECOND, False)
    assert change.config == SCALED


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.req("FS-US-5.2", "FS-FR-020")
def test_each_vector_is_what_its_registry_alone_would_have_made_of_it(seed: int) -> None:
    """No vector lost, none twice, none of two versions mixed: the values are those of an engine that never switched."""
    messages = market(seed, SECONDS, story(Random(seed), SECONDS, START))
    plain = [(offset, value) for offset, value in messages if b"registry.activated" not in value]
    alone = {
        version: {(v.symbol, v.ts): v.features for v in vectors(run(plain, registry))}
        for version, registry in EVERY.items()
    }

    found = vectors(run(messages))

    assert [(v.symbol, v.ts) for v in found] == list(alone["short-1"])
    assert len({v.feature_registry_version for v in found}) > 1
    for vector in found:
        assert vector.feature_registry_version == in_force(messages, vector)
        assert vector.features == alone[vector.feature_registry_version][vector.symbol, vector.ts]
        assert list(vector.features) == [entry["name"] for entry in EVERY[vector.feature_registry_version]["features"]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.req("FS-US-5.2", "FS-AS-03")
def test_batches_and_restarts_change_nothing(seed: int) -> None:
    """Stored and loaded again at random, also between an activation and its boundary."""
    random = Random(seed)
    messages = market(seed, 200, story(random, 200, START))
    whole = run(messages)

    engine, outputs, rest = recipe.engine(features(FIRST), 0), [], messages
    while rest:
        size = random.choice([1, 2, 30])
        outputs += engine.feed(rest[:size])
        rest = rest[size:]
        state = engine.snapshot()
        engine = recipe.engine(features(FIRST), 0)
        engine.restore(state)

    assert outputs == whole


def test_one_that_is_read_late_counts_from_the_next_second_and_says_so() -> None:
    outputs = run(market(2, 60, [(30, activation(SCALED, START + 10 * SECOND))]))

    (change,) = changes(outputs)
    assert change.late and change.at == START + 30 * SECOND
    assert {v.feature_registry_version for v in vectors(outputs) if v.ts < change.at} == {"short-1"}
    assert {v.feature_registry_version for v in vectors(outputs) if v.ts >= change.at} == {"short-2"}


def test_a_newer_one_takes_the_place_of_what_was_to_come_later() -> None:
    happens = [(10, activation(SCALED, START + 40 * SECOND)), (20, activation(FEWER, START + 30 * SECOND))]
    outputs = run(market(2, 60, happens))

    found = [v.feature_registry_version for v in vectors(outputs)]
    assert "short-2" not in found and found[-1] == "short-3"
    assert [change.before for change in changes(outputs)] == ["short-1", "short-1"]


def test_one_at_the_head_of_an_empty_log_counts_from_its_first_vector_on() -> None:
    messages = market(3, 30)
    head = market(3, 30, [(0, activation(FEWER, SECOND))])
    first = [value for _, value in head if b"registry.activated" in value]
    outputs = run(list(enumerate([*first, *(value for _, value in messages)])))

    assert {v.feature_registry_version for v in vectors(outputs)} == {"short-3"}
    assert len(vectors(outputs)) == len(vectors(run(messages)))


def test_before_the_first_tick_no_clock_is_believed() -> None:
    """An event of the year 2099 at the head of the log neither brings a registry in force too early nor too late."""
    messages = market(3, 60, [(0, activation(FEWER, START + 20 * SECOND))])
    far = next(value for _, value in messages if b'"trade"' in value)
    event = decode_event(far)
    year = 86_400 * 365 * SECOND
    wrong = b"%s" % far.replace(b'"recv":%d' % event.recv, b'"recv":%d' % (event.recv + 70 * year))
    given = [value for _, value in messages if b"registry.activated" in value]
    rest = [value for _, value in messages if b"registry.activated" not in value]
    found = vectors(run(list(enumerate([wrong, *given, *rest]))))

    counted = [v for v in found if v.ts < START + 3_600 * SECOND]
    assert {v.feature_registry_version for v in counted if v.ts < START + 20 * SECOND} == {"short-1"}
    assert {v.feature_registry_version for v in counted if v.ts >= START + 20 * SECOND} == {"short-3"}


@pytest.mark.req("FS-FR-066")
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sha256": "0" * 64}, "does not have the hash"),
        ({"version": "other"}, "names registry other"),
        ({"config": {"version": "x", "features": []}}, "at least one feature"),
        ({"config": {"version": "x", "features": [{"name": "no_such"}]}}, "no feature is called so"),
    ],
)
def test_a_registry_that_cannot_be_used_changes_nothing_and_is_told_of(wrong: dict, says: str) -> None:
    """The version before stays in force, in every replay; and the flow goes on."""
    given = activation(SCALED, START + 20 * SECOND)
    if "config" in wrong:
        given = activation(wrong["config"], START + 20 * SECOND)
    else:
        from msgspec.structs import replace

        given = replace(given, **wrong)
    outputs = run(market(4, 60, [(10, given)]))

    (change,) = changes(outputs)
    assert not change.usable and says in change.problem and change.before == "short-1"
    assert {v.feature_registry_version for v in vectors(outputs)} == {"short-1"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "version": st.just("x"),
            "features": st.lists(
                st.dictionaries(
                    st.sampled_from(
                        [
                            "name",
                            "input_sources",
                            "lookback_window",
                            "data_sources",
                            "normalization",
                            "params",
                            "formula",
                        ]
                    ),
                    JSON | st.sampled_from(["ema", "mid_price", "15s"]),
                    max_size=6,
                ),
                max_size=3,
            ),
        }
    )
)
def test_no_content_of_a_registry_stops_an_engine(content: dict) -> None:
    messages = market(5, 5, [(1, activation(content, START + 2 * SECOND))])

    outputs = run(messages)

    assert len(vectors(outputs)) == len(vectors(run(market(5, 5))))
    assert len(changes(outputs)) == 1


def test_what_is_remembered_reaches_further_than_any_feature() -> None:
    """A registry that comes into force finds what it looks back to, whatever was in force before."""
    from itertools import product

    from operators.features import FORMULAS
    from operators.versions import FURTHEST

    for formula in FORMULAS.values():
        limits = [range(least, most + 1) for least, most in formula.limits.values()]
        ends = product(*((limit[0], limit[-1]) for limit in limits))
        assert max(formula.reach(**dict(zip(formula.limits, values, strict=True))) for values in ends) <= FURTHEST


def test_activations_do_not_count_where_a_registry_of_its_own_is_asked_for() -> None:
    """A dataset has one version, whatever was live."""
    from operators.market import MarketStage

    messages = market(1, 60, [(10, activation(SCALED, START + 20 * SECOND))])
    engine = Engine(0, lambda cursor: [MarketStage(features(LONGER), cursor)])

    assert {v.feature_registry_version for v in vectors(engine.feed(messages))} == {"long-1"}
