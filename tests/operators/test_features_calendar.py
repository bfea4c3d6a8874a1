"""Calendar features against the standard library's calendar."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.features import FEATURES, View
from operators.spans import SECOND


@pytest.mark.req("FS-FR-003.6")
@given(st.integers(0, 4_000_000_000))
def test_calendar_features_follow_utc(second):
    """The whole hour of the day, and the day of the week from Monday."""
    now = datetime.fromtimestamp(second, UTC)
    view = View(second * SECOND)
    for name, place, period in (("time_of_day", now.hour, 24), ("hour_of_day", now.hour, 24),
                                ("day_of_week", now.weekday(), 7)):  # fmt: skip
        assert FEATURES[f"{name}_sin"](view) == math.sin(2 * math.pi * place / period)
        assert FEATURES[f"{name}_cos"](view) == math.cos(2 * math.pi * place / period)
