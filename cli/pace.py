"""How fast a replay goes: a bar on a terminal, a line now and then elsewhere, and a warning when it is slow."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from dataflows.backtest import Progress

LOOK = 0.25
"""Seconds between two looks."""
LINES = 5.0
"""Seconds between two lines where there is no terminal."""
SPAN = 10.0
"""Seconds over which the pace is taken."""
PATIENCE = 5.0
"""Seconds before it can be called slow."""


class Look(NamedTuple):
    """How far it was at ``at`` (seconds): events fed, microseconds of market, and events that are left."""

    at: float
    events: int
    market: int
    left: int


class Pace:
    """Rates and the rest of the way.

    >>> pace = Pace(Look(0.0, 0, 0, left=1000))
    >>> pace.see(Look(2.0, 500, 60_000_000, left=500))
    >>> pace.rate, pace.multiple, pace.left, pace.slow
    (250.0, 30.0, 2.0, False)
    """

    def __init__(self, started: Look) -> None:
        self.looks = deque([started])

    def see(self, look: Look) -> None:
        """Take a look; only those of the last ``SPAN`` seconds count."""
        self.looks.append(look)
        while len(self.looks) > 2 and look.at - self.looks[0].at > SPAN:
            self.looks.popleft()

    @property
    def seconds(self) -> float:
        return self.looks[-1].at - self.looks[0].at

    @property
    def rate(self) -> float:
        """Events a second."""
        return (self.looks[-1].events - self.looks[0].events) / (self.seconds or 1.0)

    @property
    def multiple(self) -> float:
        """Seconds of market a second, of the mean shard."""
        return (self.looks[-1].market - self.looks[0].market) / 1_000_000 / (self.seconds or 1.0)

    @property
    def left(self) -> float | None:
        """Seconds to the end at this pace; None while nothing moves."""
        return self.looks[-1].left / self.rate if self.rate else None

    @property
    def slow(self) -> bool:
        """Slower than the market itself: the live flow would fall behind, too."""
        return self.seconds >= PATIENCE and self.multiple < 1.0

    def __str__(self) -> str:
        left = "?" if self.left is None else f"{self.left:,.0f} s"
        warning = "  SLOW: less than real time; another load on this machine, or too many strategies?"
        return f"{self.rate:,.0f} events/s  {self.multiple:,.0f}x real time  ETA {left}{warning * self.slow}"


@contextmanager
def shown(progress: Progress, console: Console) -> Iterator[Callable[[], None]]:
    """Show on ``console`` how a backtest gets on, until the block ends or the function that it is given is called."""
    done = Event()
    watcher = Thread(target=_watch, args=(progress, console, done), daemon=True)
    watcher.start()

    def end() -> None:
        done.set()
        watcher.join()

    try:
        yield end
    finally:
        end()


def _watch(progress: Progress, console: Console, done: Event) -> None:
    total = progress.total or 1
    pace = Pace(_look(progress))
    bar = Bar(BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), console=console, transient=True)
    task = bar.add_task("", total=total)
    lines = time.monotonic() + LINES
    if console.is_terminal:
        bar.start()
    while not done.wait(LOOK):
        pace.see(_look(progress))
        if console.is_terminal:
            bar.update(task, completed=progress.done, description=str(pace))
        elif time.monotonic() >= lines:
            lines += LINES
            console.print(f"{progress.done / total:.0%}  {pace}", markup=False, highlight=False)
    if console.is_terminal:
        bar.stop()


def _look(progress: Progress) -> Look:
    """Shards go on side by side: a second of market is a second of all of them."""
    shards = sum(found.stop > found.warm for found in progress.ranges.values()) or 1
    market = progress.market // shards
    return Look(time.monotonic(), progress.fed, market, progress.total - progress.done)
