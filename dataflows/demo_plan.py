"""What the demo of the learning loop plays: a market with a lesson, one strategy that learns it, and one that does not.

Everything is a share of the length of the run, so that a shorter one tells the same story sooner.
"""

from dataclasses import dataclass
from math import ceil

from connectors.demo.feed import START
from connectors.demo.lesson import Lesson
from schemas.account import AccountConfigured
from schemas.learning import Learning, Online, Promotion, Target, Training
from schemas.strategy import Assets, Exits, Orders, Position, Rate, StopLoss, Strategy, TakeProfit, TimeExit, Warmup

SECOND = 1_000_000
MINUTE = 60 * SECOND
SYMBOL = "BTCUSDT"
LEARNER = "learner"
NEVER = "never_learns"
HORIZON = 15
"""Seconds; the flow leads the price by as much."""
FEATURES = (
    "signed_volume_3s", "signed_volume_15s", "signed_volume_1m", "depth_imbalance_top5", "net_aggressor_pressure",
    "volume_15s", "returns_3s", "returns_1m",
)  # fmt: skip
"""What the batch models look at: of the registry's features those of which a session of less than an hour says much."""
GLANCE = ("signed_volume_3s", "spread_rel")
"""What the River model looks at: enough to notice soon that the market turned over, not enough to be better than who
was trained. With all features it would be in charge after three minutes, and leave nothing for the others to show."""


@dataclass(frozen=True)
class Plan:
    """A run of ``minutes`` of market from ``seed``; at ``turn``, a share of it, the lesson turns over.

    ``chunk`` is how many seconds of market are played between two looks of the governor.
    """

    minutes: float = 42.0
    seed: int = 7
    turn: float = 0.48
    chunk: int = 20
    rate: float = 0.7

    def __post_init__(self) -> None:
        if self.minutes < 10:
            raise ValueError(f"the demo needs at least 10 minutes of market, not {self.minutes:g}")

    @property
    def start(self) -> int:
        """Microseconds UTC."""
        return START

    @property
    def end(self) -> int:
        """Microseconds UTC, after a whole number of chunks."""
        return self.start + round(self.minutes * 60 / self.chunk) * self.chunk * SECOND

    @property
    def flip(self) -> int:
        """When the price begins to go against the flow, microseconds UTC."""
        return self.start + round(self.minutes * 60 * self.turn) * SECOND

    @property
    def lesson(self) -> Lesson:
        """What the market teaches."""
        return Lesson(lead=float(HORIZON), flips=((self.flip - self.start) / SECOND,))

    def part(self, share: float) -> float:
        """A share of the run in minutes."""
        return self.minutes * share

    @property
    def held_out(self) -> int:
        """Seconds of the validation split, and of the test split: too few of them would judge by chance."""
        return max(60, round(self.part(0.04) * 60))

    @property
    def min_rows(self) -> int:
        """Rows of the first training, so few that the look which finds enough of them also finds those that are lost
        where a target reaches beyond its split."""
        lost = HORIZON + 3
        least = 2 * self.held_out + lost + self.part(0.07) * 60
        look = ceil(least / self.chunk) * self.chunk
        return look - 2 * self.held_out - lost

    def account(self) -> AccountConfigured:
        """Paper, with enough for two, at the fees of a large trader: the demo's moves are small."""
        return AccountConfigured(1, "paper", cash=100_000.0, maker_fee=0.0, taker_fee=0.0002)

    def strategies(self) -> list[Strategy]:
        """The one that learns and the one that never does, alike in everything else."""
        return [self._strategy(LEARNER, self.learning()), self._strategy(NEVER, Learning())]

    def learning(self) -> Learning:
        """What the learner learns, and when a model takes over."""
        days = 1 / 1440
        return Learning(
            target=Target("classification", HORIZON, 0.0),
            online=Online(enabled=True, every=1, features=GLANCE, window=200, drift=0.0005),
            training=Training(
                enabled=True,
                params={"max_depth": 2},
                every=1,
                features=FEATURES,
                train_days=self.part(0.14) * days,
                validation_days=self.held_out / 60 * days,
                test_days=self.held_out / 60 * days,
                min_rows=self.min_rows,
                interval_days=self.part(0.17) * days,
            ),
            promotion=Promotion(
                accuracy=0.75,
                margin=0.15,
                samples=max(90, round(self.part(3.5))),
                shadow_minutes=self.part(0.06),
                patience_minutes=self.part(0.14),
                dwell_minutes=self.part(0.02),
            ),
        )

    @staticmethod
    def _strategy(name: str, learning: Learning) -> Strategy:
        return Strategy(
            name,
            (SYMBOL,),
            mode="auto",
            about="learns from what it sees" if learning.online.enabled else "trades by heuristics for ever",
            confidence=0.6,
            assets=Assets("fixed"),
            warmup=Warmup(frequency=12.0, min_amount=500.0, max_amount=1500.0, randomness=0.3, threshold=0.2),
            rate=Rate(12.0, 4),
            orders=Orders(skip_if_open=True, patience=30.0),
            position=Position(max_size=0.2),
            exits=Exits(
                cooldown=5.0,
                per_minute=12.0,
                take_profit=TakeProfit(percent=0.5),
                stop_loss=StopLoss(percent=-0.5),
                time=TimeExit(enabled=True, max_hours=HORIZON * 2 / 3600, target=0.2),
            ),
            learning=learning,
        )
