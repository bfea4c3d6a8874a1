"""The page of a learning loop, out of records that were made up."""

import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from dataflows.demo_plan import LEARNER
from reports.loop.modes import WARMUP, modes
from reports.loop.page import page
from reports.loop.quality import judged, rolling
from reports.loop.result import encoded, result
from schemas.model import ModelChange
from schemas.origin import Origin
from tests.demo_learning.made import END, START, material, outcome

VOID = {"meta", "line", "rect", "path", "circle", "br"}


class Balanced(HTMLParser):
    """Fails where a tag is closed that was not opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_is_one_well_formed_file_that_needs_no_network():
    text = page(result(material()))
    parser = Balanced()
    parser.feed(text)

    assert parser.open == []
    assert parser.links == []
    assert "default-src 'none'" in text
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "the market &lt;turns&gt; over" in text
    assert not re.search(r"\bnan\b", text.lower())


def test_the_same_records_give_the_same_bytes():
    assert encoded(result(material(3))) == encoded(result(material(3)))
    assert page(result(material(3))) == page(result(material(3)))


def test_a_loop_in_which_nothing_happened_has_a_page_too():
    empty = material()
    empty.notes, empty.changes, empty.outcomes, empty.models, empty.executions = (), (), (), (), ()
    empty.signals = {}
    text = page(result(empty))

    assert "None was trained." in text


@given(st.integers(0, 10_000), st.integers(1, 80), st.integers(1, 50))
def test_rolling_accuracy_equals_brute_force(seed, count, window):
    rng = Random(seed)
    outcomes = [outcome(rng, second, "v1", "shadow", 0.7) for second in range(count)]
    right = [one.label == one.predicted for one in outcomes]
    expected = [
        (one.matured, float(np.mean(right[max(0, place + 1 - window) : place + 1])))
        for place, one in enumerate(outcomes)
        if place + 1 >= min(10, window)
    ]

    assert dict(rolling(outcomes, window)) == pytest.approx(dict(expected))


@given(st.integers(0, 10_000), st.integers(1, 200))
def test_judgement_equals_sklearn(seed, count):
    rng = Random(seed)
    outcomes = [outcome(rng, second, "v1", "shadow", 0.7) for second in range(count)]
    truth, said = [one.label for one in outcomes], [one.predicted for one in outcomes]
    found = judged(outcomes)

    labels = sorted({*truth, *said})
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, said))
    if len(labels) > 1:
        assert found["confusion"] == confusion_matrix(truth, said, labels=labels).tolist()
    chances = [[one.probabilities[str(label)] for label in (-1, 1)] for one in outcomes]
    assert found["log_loss"] == pytest.approx(log_loss(truth, chances, labels=[-1, 1]))
    assert sum(one["samples"] for one in found["calibration"]) == count
    assert math.fsum(one["right"] * one["samples"] for one in found["calibration"]) == pytest.approx(
        found["accuracy"] * count
    )


changes = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from([None, "v1", "v2"]), st.booleans(), st.sampled_from([LEARNER, "x"])),
    max_size=12,
)


@given(changes)
def test_modes_equal_brute_force_second_by_second(drawn):
    drawn = sorted(drawn, key=lambda row: row[0])
    records = [
        ModelChange(strategy, START + at, "champion", None, after, Origin(0, at, 0), usable=usable)
        for at, after, usable, strategy in drawn
    ]
    spans = modes(records, LEARNER, "BTCUSDT", START, START + 100)

    def who(at: int) -> str:
        told = [(after, usable) for ts, after, usable, strategy in drawn if ts <= at and strategy == LEARNER]
        return told[-1][0] if told and told[-1][0] and told[-1][1] else WARMUP

    assert spans[0].start == START and spans[-1].end == START + 100
    assert all(one.end == other.start and one.who != other.who for one, other in pairwise(spans))
    for at in range(100):
        assert [span.who for span in spans if span.start <= START + at < span.end] == [who(at)]


def test_money_counts_for_whoever_opened_the_position():
    found = result(material())
    total = sum(row["net"] for row in found["money"] if row["strategy"] == LEARNER)
    curve = found["equity"][LEARNER]["profit"]

    assert found["money"][0]["who"] == WARMUP
    assert curve[0] == 0.0 and found["equity"][LEARNER]["ts"][-1] == END
    assert isinstance(total, float)
