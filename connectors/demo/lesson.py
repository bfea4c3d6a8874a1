"""A demo market with something to learn: an order flow that leads the price, until the day it misleads."""

from collections import deque
from dataclasses import dataclass
from math import exp, sqrt
from random import Random

from connectors.demo.process import HOME_SECONDS, Regime

FLOW = 0.6
"""The order flow of an episode: four in five takers are on one side."""
SETTLING_SECONDS = 2.0
"""How long the flow takes to follow its episode (decay time)."""
UNREST = 0.2
"""Standard deviation of the flow around its episode's."""
EPISODES = Regime("trend", 0.0, 1.0, 1.3)


@dataclass(frozen=True)
class Lesson:
    """What there is to learn: the price does what the order flow did ``lead`` seconds ago.

    The flow favours one side for half to one and a half times ``episode`` seconds, then the other one. ``impact`` is
    the return per second that everybody buying brings, ``noise`` the standard deviation of the return of one second
    besides. At each of ``flips`` (seconds after the start) the relation turns over: from then on the price moves
    against the flow, and at the next one with it again. What happened before says little of the price but through the
    flow, so that a model that has learnt one sense fails in the other.

    Who knows the flow of the last ``lead`` seconds is right about the direction of the price over the next ones
    about as often as a normal variable stays below 0.6 * ``impact`` * sqrt(``lead``) / ``noise``.

    >>> lesson = Lesson(flips=(60.0, 90.0))
    >>> lesson.sense(10.0), lesson.sense(60.0), lesson.sense(100.0)
    (1, -1, 1)
    """

    lead: float = 15.0
    episode: float = 30.0
    impact: float = 1.2e-4
    noise: float = 6e-5
    flips: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("lead", "episode", "impact"):
            if getattr(self, name) <= 0:
                raise ValueError(f"lesson: {name} must be above 0, not {getattr(self, name)}")
        if self.noise < 0:
            raise ValueError(f"lesson: noise must not be below 0, not {self.noise}")
        if list(self.flips) != sorted(set(self.flips)):
            raise ValueError(f"lesson: flips must rise, not {self.flips}")

    def sense(self, elapsed: float) -> int:
        """+1 while the price follows the flow, -1 while it goes against it, ``elapsed`` seconds after the start."""
        return -1 if sum(elapsed >= flip for flip in self.flips) % 2 else 1


class Taught:
    """A log-price that follows a lesson; for the market it is what ``Process`` is."""

    def __init__(self, rng: Random, lesson: Lesson) -> None:
        self.rng = rng
        self.lesson = lesson
        self.regime = EPISODES
        self.elapsed = 0.0
        """Seconds since the start."""
        self.direction = rng.choice((-1.0, 1.0))
        self.turning = 0.0
        """When the next episode begins."""
        self.flow = 0.0
        self.level = 0.0
        """Log-price over the opening price."""
        self.past: deque[tuple[float, float]] = deque()
        """(elapsed, flow) of the last ``lead`` seconds."""

    def step(self, seconds: float) -> float:
        """Move on by ``seconds``; returns the log-price over the opening price."""
        self.elapsed += seconds
        if self.elapsed >= self.turning:
            self.direction = -self.direction
            self.turning = self.elapsed + self.lesson.episode * self.rng.uniform(0.5, 1.5)
        keep = exp(-seconds / SETTLING_SECONDS)
        target = FLOW * self.direction
        noise = UNREST * sqrt(1.0 - keep * keep) * self.rng.gauss(0.0, 1.0)
        self.flow = min(0.95, max(-0.95, target + (self.flow - target) * keep + noise))
        drift = self.lesson.sense(self.elapsed) * self.lesson.impact * self._leading() * seconds
        shock = self.lesson.noise * sqrt(seconds) * self.rng.gauss(0.0, 1.0)
        self.level += drift + shock - self.level * seconds / HOME_SECONDS
        return self.level

    def _leading(self) -> float:
        """The flow of ``lead`` seconds ago."""
        self.past.append((self.elapsed, self.flow))
        while len(self.past) > 1 and self.past[1][0] <= self.elapsed - self.lesson.lead:
            self.past.popleft()
        then, flow = self.past[0]
        return flow if then <= self.elapsed - self.lesson.lead else 0.0
