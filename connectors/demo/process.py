"""What drives the demo market: regimes, order flow and the fair price."""

from dataclasses import dataclass
from math import exp, sqrt, tanh
from random import Random
from typing import Literal

Mood = Literal["calm", "trend", "reversion", "burst"]

FLOW_SECONDS = 4.0
"""How long the order flow remembers itself (decay time)."""
FLOW_DEVIATION = 0.35
"""Standard deviation of the flow around its regime's target."""
VOLATILITY = 3.9e-5
"""Standard deviation of the return of one second (3 basis points a minute)."""
IMPACT = 2.5e-5
"""Return per second that a flow of 1 (everybody buys) brings. Against ``VOLATILITY`` this leaves the next seconds
predictable from the flow, but only a little."""
REVERSION_DISTANCE = 4e-4
"""Distance from its anchor, as a return, at which a reverting market pulls hard."""
HOME_SECONDS = 21_600.0
"""The price forgets how far it is from its opening with this decay time, so that a demo can run for weeks."""


@dataclass(frozen=True)
class Regime:
    """How the market behaves for a while: mean length in seconds, multipliers of volatility and of activity."""

    mood: Mood
    seconds: float
    volatility: float
    activity: float


REGIMES = (
    Regime("calm", 40.0, 0.8, 0.7),
    Regime("trend", 45.0, 1.0, 1.3),
    Regime("reversion", 60.0, 0.8, 1.0),
    Regime("burst", 8.0, 2.5, 4.0),
)


class Process:
    """A log-price with regimes and an order flow in (-1, 1) that leads it.

    ``step`` works for any length of step, so that the history before the start comes from the same law as the
    session.
    """

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.regime = REGIMES[0]
        self.direction = 1.0
        self.flow = 0.0
        self.level = 0.0
        """Log-price over the opening price."""
        self.anchor = 0.0

    def step(self, seconds: float) -> float:
        """Move on by ``seconds``; returns the log-price over the opening price."""
        if self.rng.random() < seconds / (seconds + self.regime.seconds):
            self._turn()
        keep = exp(-seconds / FLOW_SECONDS)
        target = self._target()
        noise = FLOW_DEVIATION * sqrt(1.0 - keep * keep) * self.rng.gauss(0.0, 1.0)
        self.flow = min(0.95, max(-0.95, target + (self.flow - target) * keep + noise))
        shock = self.regime.volatility * VOLATILITY * sqrt(seconds) * self.rng.gauss(0.0, 1.0)
        self.level += IMPACT * self.flow * seconds + shock - self.level * seconds / HOME_SECONDS
        return self.level

    def _turn(self) -> None:
        """Another regime begins here, at this price."""
        self.regime = self.rng.choice([regime for regime in REGIMES if regime is not self.regime])
        self.direction = self.rng.choice((-1.0, 1.0))
        self.anchor = self.level

    def _target(self) -> float:
        """Where the regime draws the order flow."""
        if self.regime.mood == "trend":
            return 0.6 * self.direction
        if self.regime.mood == "burst":
            return 0.4 * self.direction
        if self.regime.mood == "reversion":
            return -0.7 * tanh((self.level - self.anchor) / REVERSION_DISTANCE)
        return 0.0
