"""Frozen and thawed, an object is what it was and goes on as it would have: the same bytes in every process."""

import os
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.online.codec import freeze, thaw
from operators.online.names import NotAllowed
from operators.online.pipelines import MODELS, pipeline
from schemas.learning import Online

ROOT = Path(__file__).resolve().parents[3]

plain = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
)
keys = st.text(max_size=5) | st.integers(-5, 5) | st.tuples(st.integers(0, 3), st.text(max_size=2))
found = st.recursive(
    plain | st.sets(st.integers(-9, 9)) | st.frozensets(st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4).map(OrderedDict),
        st.lists(inner, max_size=4).map(partial(deque, maxlen=3)),
        st.dictionaries(keys, inner, max_size=4).map(partial(defaultdict, float)),
        st.dictionaries(keys, st.integers(0, 9), max_size=4).map(Counter),
    ),
    max_leaves=20,
)


@given(found)
def test_what_was_frozen_comes_back_with_its_types_and_order(value):
    again = thaw(freeze(value))

    assert again == value and described(again) == described(value)
    assert freeze(again) == freeze(value)


def described(value):
    """Types and order, down to the leaves."""
    if isinstance(value, dict):
        inside = [(described(key), described(item)) for key, item in value.items()]
        return type(value), getattr(value, "default_factory", None), inside
    if isinstance(value, list | tuple | deque):
        return type(value), getattr(value, "maxlen", None), [described(item) for item in value]
    return type(value), str(value) if isinstance(value, float) else None


@given(st.integers(0, 2**32), st.integers(0, 50))
def test_a_generator_goes_on_where_it_was(seed, drawn):
    random = Random(seed)
    for _ in range(drawn):
        random.gauss(0, 1)

    again = thaw(freeze(random))

    assert [again.gauss(0, 1) for _ in range(3)] == [random.gauss(0, 1) for _ in range(3)]


def test_what_is_held_twice_is_one_thing_afterwards_too():
    shared = [1.0]
    circle = {"a": shared, "b": (shared, shared)}
    circle["self"] = circle

    again = thaw(freeze(circle))

    assert again["a"] is again["b"][0] is again["b"][1]
    assert again["self"] is again
    assert freeze(again) == freeze(circle)


def test_equal_things_that_are_two_stay_two():
    again = thaw(freeze([[1.0], [1.0]]))

    assert again[0] == again[1] and again[0] is not again[1]


@pytest.mark.parametrize("kind", MODELS)
def test_a_thawed_model_goes_on_to_the_same_bytes(kind):
    """At many moments: each time the thawed one takes over, and both are compared until the next."""
    random = Random(5)
    model = pipeline(Online(model=kind))
    other = thaw(freeze(model))
    for number in range(1_500 if "tree" in kind else 200):
        row, label = drawn(random)
        assert list(model.predict_proba_one(row).items()) == list(other.predict_proba_one(row).items())
        model.learn_one(row, label)
        other.learn_one(row, label)
        if number % 37 == 5:
            state = freeze(model)
            assert freeze(other) == state
            other = thaw(state)
            assert freeze(other) == state
    if "tree" in kind:
        assert model[kind_of(model)].n_branches >= 1, "it never split: this showed nothing"


def kind_of(model):
    """The name of the last step of a pipeline."""
    return next(reversed(model.steps))


def drawn(random):
    """Features of which some are missing, and a class that depends on one of them."""
    row = {f"f{number}": random.gauss(0, 1) for number in range(6) if random.random() < 0.9}
    noise = random.choice([-1, 0, 1])
    return row, noise if random.random() < 0.3 else (1 if row.get("f1", 0.0) > 0 else -1)


PROGRAM = """
from hashlib import blake2b
from random import Random
from tests.operators.online.test_codec import MODELS, Online, drawn, freeze, pipeline
print("names", freeze([{"delta", "alpha", "gamma", "beta"}, frozenset("lockstep")]).hex())
for kind in MODELS:
    random, model = Random(9), pipeline(Online(model=kind))
    for _ in range(300):
        model.learn_one(*drawn(random))
    print(kind, blake2b(freeze(model)).hexdigest())
"""


def test_other_processes_make_the_same_bytes():
    """Whatever order they iterate sets and hash texts in."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "4242")
    ]
    first, second = (process.communicate(timeout=240)[0] for process in processes)

    assert len(first.splitlines()) == len(MODELS) + 1
    assert first == second


class Foreign:
    """Not on the list."""


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (Foreign(), "Foreign"),
        ({"deep": [Foreign()]}, "Foreign"),
        (os.system, "system"),
        ([print], "print"),
        (lambda: None, "<lambda>"),
        (partial(os.getcwd), "getcwd"),
        (Path("/"), "pathlib"),
        (2**64, "64 bits"),
        ({1, "a"}, "order"),
    ],
)
def test_what_is_not_on_the_list_is_refused_by_name(thing, named):
    with pytest.raises(NotAllowed, match=named):
        freeze(thing)


def test_a_model_that_draws_without_a_seed_is_refused():
    from river.tree import HoeffdingAdaptiveTreeClassifier

    with pytest.raises(NotAllowed, match="HoeffdingAdaptiveTreeClassifier draws without a seed"):
        freeze(HoeffdingAdaptiveTreeClassifier(seed=None))


@pytest.mark.parametrize(
    "name",
    [
        "os:system", "builtins:eval", "builtins:getattr", "subprocess:Popen", "river.datasets:Phishing",
        "river.tree:nothing_there", "collections:namedtuple", "river.stats.mean:Mean.__init__",
    ],
)  # fmt: skip
def test_bytes_that_name_anything_else_are_refused(name):
    """As somebody would write them who wants more of us than a model."""
    import msgspec

    for node in (["g", 0], ["c", 0, ["true"], None, None, None], ["o", 0, [], None, None, None], ["n", 0, 1]):
        with pytest.raises(NotAllowed):
            thaw(msgspec.msgpack.encode([[name, []], node]))


@given(st.binary(max_size=40))
def test_other_bytes_are_refused(data):
    try:
        thaw(data)
    except NotAllowed:
        return
    assert freeze(thaw(data))
