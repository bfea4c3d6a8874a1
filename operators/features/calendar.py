"""Features of the time of day and of the week, UTC, as points on a circle. Always known."""

from math import cos, pi, sin

from operators.features.catalogue import Value, every_second
from operators.features.view import View
from operators.spans import DAY, HOUR

HOUR_SIN = [sin(2 * pi * hour / 24) for hour in range(24)]
HOUR_COS = [cos(2 * pi * hour / 24) for hour in range(24)]
DAY_SIN = [sin(2 * pi * day / 7) for day in range(7)]
DAY_COS = [cos(2 * pi * day / 7) for day in range(7)]


def hour_of(t: int) -> int:
    """The whole UTC hour.

    >>> hour_of(25 * HOUR - 1)
    0
    """
    return t // HOUR % 24


def weekday_of(t: int) -> int:
    """Monday is 0; the epoch began on a Thursday.

    >>> weekday_of(0), weekday_of(4 * DAY)
    (3, 0)
    """
    return (t // DAY + 3) % 7


@every_second(names={"time_of_day_sin": {}, "hour_of_day_sin": {}})
def hour_sin(view: View) -> Value:
    """sin(2π · hour / 24)."""
    return HOUR_SIN[hour_of(view.t)]


@every_second(names={"time_of_day_cos": {}, "hour_of_day_cos": {}})
def hour_cos(view: View) -> Value:
    """cos(2π · hour / 24)."""
    return HOUR_COS[hour_of(view.t)]


@every_second()
def day_of_week_sin(view: View) -> Value:
    """sin(2π · weekday / 7)."""
    return DAY_SIN[weekday_of(view.t)]


@every_second()
def day_of_week_cos(view: View) -> Value:
    """cos(2π · weekday / 7)."""
    return DAY_COS[weekday_of(view.t)]
