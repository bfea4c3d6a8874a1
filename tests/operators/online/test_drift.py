"""ADWIN on errors, as River has it, stored and loaded at any moment."""

from random import Random

import msgspec
import pytest
from river.drift import ADWIN

from operators.online.drift import Drift


@pytest.mark.parametrize("seed", range(5))
def test_a_change_is_noticed_when_river_itself_notices_it(seed):
    """Also when the detector is stored and loaded before every outcome."""
    random, oracle, drift = Random(seed), ADWIN(delta=0.002), Drift(0.002)
    noticed = 0
    for number in range(1_500):
        error = random.random() < (0.2 if number < 800 else 0.6)
        drift = reloaded(drift)
        before = oracle.estimation
        oracle.update(float(error))

        change = drift.update(error)

        assert (change is not None) == oracle.drift_detected
        noticed += oracle.drift_detected
        if change is not None:
            assert (change.before, change.after, change.holds) == (before, oracle.estimation, round(oracle.width))
    assert noticed


def reloaded(drift):
    other = Drift(drift.delta)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(drift.snapshot())))
    return other


def test_a_model_that_errs_as_it_always_did_does_not_drift():
    random, drift = Random(3), Drift(0.002)

    assert [drift.update(random.random() < 0.3) for _ in range(2_000)] == [None] * 2_000
