"""A feature or a target that knows the future is caught, whichever it is; an honest one is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.study.injected import NAME, with_future
from learning.study.leakage import Leakage, prove, prove_targets
from learning.study.rows import Rows, build_rows, choose
from learning.study.settings import Question
from learning.study.target import targets
from operators.candles import KEEP
from operators.registry import parse_registry
from tests.study.drawn import MINUTE, walk

FILE = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "extended.yaml"
CHOSEN = choose(parse_registry(FILE.read_text(), where="extended"), funding=True)
BARS = walk(11, 700, 5 * MINUTE, holes=(300, 301))
PAID = [(int(BARS.end[place]), 0.0001 * place) for place in range(20, 600, 96)]
LOOKBACK = CHOSEN.need + 50


def honest(bars, rates):
    return build_rows(bars, rates, CHOSEN)


def proved(build, cuts=20):
    return prove(BARS, PAID, build(BARS, PAID), build, LOOKBACK, cuts)


@pytest.mark.req("FS-FR-012", "FS-SC-003")
def test_the_rows_of_a_study_know_nothing_of_their_future():
    rows = honest(BARS, PAID)

    assert proved(honest) == 20 * len(rows.names)
    assert CHOSEN.need < LOOKBACK < KEEP


def changed(column, how):
    """An honest builder but for one feature, which is made of all the bars that there are."""

    def build(bars, rates):
        rows = honest(bars, rates)
        values = rows.values.copy()
        values[:, rows.names.index(column)] = how(bars, rows)
        return replace(rows, values=values)

    return build


LEAKS = {
    "the next close": lambda bars, rows: np.append(bars.close, 0.0)[rows.bar + 1],
    "the highest of all prices": lambda bars, rows: np.full(len(rows), bars.high.max()),
    "a mean around the bar": lambda bars, rows: np.convolve(bars.close, np.ones(3) / 3, "same")[rows.bar],
    "standardised with what came later": lambda bars, rows: ((bars.close - bars.close.mean()) / bars.close.std())[
        rows.bar
    ],
    "whether there is a future": lambda bars, rows: (rows.bar < len(bars) - 1).astype(float),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_an_injected_leak_is_caught_and_named(leak):
    with pytest.raises(Leakage, match=r"feature candle_body knows the future: at \d+"):
        proved(changed("candle_body", LEAKS[leak]))


def test_the_leak_of_the_command_is_caught():
    def build(bars, rates):
        return with_future(bars, honest(bars, rates))

    with pytest.raises(Leakage, match=f"feature {NAME} knows the future"):
        proved(build, cuts=3)


def test_a_rate_that_is_paid_later_is_caught():
    def build(bars, rates):
        return honest(bars, [(ts - 60 * MINUTE, rate) for ts, rate in rates])

    rows = build(BARS, PAID)

    with pytest.raises(Leakage, match="feature funding_rate"):
        prove(BARS, PAID, rows, build, LOOKBACK, len(rows))


def test_a_row_that_is_only_there_with_its_future_is_caught():
    def build(bars, rates):
        rows = honest(bars, rates)
        return Rows(rows.ts[:-1], rows.bar[:-1], rows.names, rows.values[:-1])

    with pytest.raises(Leakage, match="is not there without the bars after it"):
        proved(build)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.sampled_from([-1, 1]))
def test_a_target_of_other_prices_is_caught(place, shift):
    rows, question = honest(BARS, PAID), Question(1500, 0.0005)
    found = targets(BARS, rows, question)
    assert prove_targets(BARS, rows, found, question.horizon) > 300

    moved = np.roll(found.change, shift)
    wrong = found._replace(change=np.where(np.arange(len(rows)) >= place, moved, found.change))
    with pytest.raises(Leakage, match="is not the return of the 1500 s after it"):
        prove_targets(BARS, rows, wrong, question.horizon)
