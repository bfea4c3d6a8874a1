"""Walk-forward splits against their definition, row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.study.folds import folds
from learning.study.leakage import Leakage, prove_folds
from learning.study.settings import Settings

SECOND = 1_000_000


@st.composite
def asked(draw):
    ts = sorted(draw(st.sets(st.integers(0, 3_000), min_size=2, max_size=120)))
    known = draw(st.lists(st.booleans(), min_size=len(ts), max_size=len(ts)))
    units = draw(st.integers(2, 12))
    settings = Settings(
        units=units,
        train=draw(st.integers(1, units - 1)),
        validation=draw(st.sampled_from([0.1, 0.25, 0.5])),
        embargo=draw(st.sampled_from([0, 7, 60])),
    )
    return np.array(ts, dtype=np.int64) * SECOND, np.array(known), draw(st.integers(1, 100)), settings


@pytest.mark.req("FS-FR-012")
@given(asked())
def test_every_row_is_where_the_definition_puts_it_and_nowhere_else(question):
    ts, known, horizon, settings = question
    found = folds(ts, known, horizon, settings)

    first, span = int(ts[0]), int(ts[-1]) - int(ts[0]) + 1
    edges = [first + span * unit // settings.units for unit in range(settings.units + 1)]
    assert len(found) == settings.units - settings.train
    for number, fold in enumerate(found):
        begins, judged, ends = edges[number], edges[number + settings.train], edges[number + settings.train + 1]
        stop = judged - round((judged - begins) * settings.validation)
        for place, time in enumerate(ts.tolist()):
            until = time + horizon * SECOND
            expected = None
            if known[place]:
                if begins <= time and until <= stop:
                    expected = "train"
                elif stop + settings.embargo * SECOND <= time and until <= judged:
                    expected = "validation"
                elif judged + settings.embargo * SECOND <= time and until <= ends:
                    expected = "test"
            assert [name for name, split in fold._asdict().items() if place in split.rows] == (
                [expected] if expected else []
            )


@given(asked())
def test_what_is_learnt_rests_on_nothing_that_is_judged(question):
    ts, known, horizon, settings = question
    found = folds(ts, known, horizon, settings)

    assert prove_folds(ts, found, horizon) == len(found)
    tests = [set(fold.test.rows.tolist()) for fold in found]
    assert sum(map(len, tests)) == len(set().union(*tests))


def test_a_fold_without_purge_is_noticed():
    ts = np.arange(1000, dtype=np.int64) * SECOND
    careless = folds(ts, np.ones(1000, dtype=bool), 0, Settings(embargo=0))

    with pytest.raises(Leakage, match=r"fold 0: the validation rows begin at"):
        prove_folds(ts, careless, 60)


@pytest.mark.parametrize("wrong", [{"train": 16}, {"train": 0}, {"validation": 1.0}, {"level": 0.0}])
def test_settings_that_leave_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=r"none is left|shares between"):
        Settings(**wrong)
