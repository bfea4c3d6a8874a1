"""What a person is told while a backtest runs."""

import io
import time

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli import pace
from cli.pace import Look, Pace, shown
from dataflows.backtest import Progress, Range


def test_slower_than_the_market_is_called_slow_after_a_while():
    slow = Pace(Look(0.0, 0, 0, 1000))
    slow.see(Look(4.0, 10, 1_000_000, 990))
    assert not slow.slow
    slow.see(Look(6.0, 20, 2_000_000, 980))

    assert slow.slow
    assert "SLOW" in str(slow)
    slow.see(Look(7.0, 2_000, 60_000_000, 0))
    assert "SLOW" not in str(slow)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=60), st.integers(1, 100))
def test_the_pace_is_that_of_the_last_seconds(steps, rate):
    """A constant rate is found again whatever the rhythm of the looks; the rest follows from it."""
    now, total, found = 0.0, rate * sum(steps), Pace(Look(0.0, 0, 0, rate * sum(steps)))
    for step in steps:
        now += step
        found.see(Look(now, int(rate * now), int(now * 3_000_000), total - int(rate * now)))

    assert abs(found.rate - rate) < 1e-6
    assert abs(found.multiple - 3.0) < 1e-6
    assert found.left == 0.0


def test_nothing_moved_is_no_division_by_zero():
    still = Pace(Look(0.0, 0, 0, 10))

    assert (still.rate, still.multiple, still.left) == (0.0, 0.0, None)
    assert "ETA ?" in str(still)


def test_progress_counts_from_where_a_run_was_resumed():
    """What an earlier process did is behind us, and not our pace; the clock of a warm-up counts as well."""
    progress = Progress({0: Range(100, 1100, 50, 0, 0, ""), 1: Range(0, 0, 0, 0, 0, "")})
    progress.moved(0, 10, 810, 0)
    progress.moved(0, 20, 830, 5_000_000)
    progress.moved(0, 20, 850, 8_000_000)

    assert (progress.total, progress.done, progress.fed, progress.market) == (1050, 800, 50, 3_000_000)


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(pace, "LOOK", 0.01)
    monkeypatch.setattr(pace, "LINES", 0.02)
    progress, said = Progress({0: Range(0, 100, 0, 0, 0, "")}), io.StringIO()
    progress.moved(0, 40, 40, 1)
    with shown(progress, Console(file=said)):
        while "\n" not in said.getvalue():
            time.sleep(0.01)

    assert "40%" in said.getvalue()
    assert "events/s" in said.getvalue()
