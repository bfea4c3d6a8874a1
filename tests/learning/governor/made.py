"""Records for a governor, made by hand."""

from typing import Any

import msgspec

from learning.governor.actions import Action, Announce, Answer, Ask, Raise
from learning.governor.force import stamped
from learning.governor.governor import Governor
from schemas.account import Execution
from schemas.governance import TrainingDone
from schemas.learning import Learning, Online, Promotion, Target, Training
from schemas.market import Side
from schemas.model import ModelActivated
from schemas.origin import Origin
from schemas.prediction import Outcome
from schemas.strategy import Strategy, StrategyConfigured

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_700_000_000 * SECOND // HOUR * HOUR
ORIGIN = Origin(0, 0, 0)
GOOD = [True] * 4 + [False]
"""Four of five are right: 80 %."""
BAD = [True, False]
PROMOTION = Promotion(
    accuracy=0.7, margin=0.1, samples=20, shadow_minutes=5.0, patience_minutes=30.0, dwell_minutes=2.0
)
TRAINING = Training(
    enabled=True, min_rows=100, every=60, interval_days=0.0, train_days=1, validation_days=0.1, test_days=0.1
)


def strategy(
    name: str = "alpha",
    promotion: Promotion = PROMOTION,
    training: Training = TRAINING,
    online: Online | None = None,
    symbols: tuple[str, ...] = ("BTCUSDT",),
) -> Strategy:
    learning = Learning(Target(horizon=60), online or Online(), training, promotion)
    return Strategy(name, symbols, learning=learning)


def configured(settings: Strategy, recv: int = START) -> StrategyConfigured:
    return StrategyConfigured(recv=recv, settings=settings)


def outcome(
    ts: int, right: bool, model: str = "v1", label: int | None = None, symbol: str = "BTCUSDT", name: str = "alpha"
) -> Outcome:
    """What came a minute later of a prediction that gave 0.8 to what it said; up and down take turns."""
    label = (1 if ts // (10 * SECOND) % 2 else -1) if label is None else label
    predicted = label if right else -label or 1
    probabilities = {text: 0.8 if int(text) == predicted else 0.1 for text in ("-1", "0", "1")}
    return Outcome(
        name,
        symbol,
        ts,
        ts + MINUTE,
        model,
        "shadow",
        100.0,
        101.0,
        0.01,
        label,
        predicted,
        probabilities,
        ORIGIN,
        ORIGIN,
    )


def execution(
    ts: int, side: Side, price: float, closed: float, realized: float, version: str | None, fee: float = 0.1
) -> Execution:
    """One unit bought or sold."""
    return Execution(
        "BTCUSDT", ts, "alpha", side, 1.0, price, fee, f"o{ts}", ORIGIN, realized, closed, model_version=version,
        is_warmup=version is None,
    )  # fmt: skip


def trained(version: str, ts: int, metrics: dict[str, float] | None = None, **more: Any) -> TrainingDone:
    return TrainingDone(
        "alpha",
        ts,
        ts,
        "ready",
        trigger="manual",
        version=version,
        sha256="ab",
        rows=500,
        metrics=metrics or {},
        **more,
    )


class World:
    """A governor whose actions come back to it from the log, as they do in the daemon."""

    def __init__(self, settings: Strategy | None = None, shards: int = 2) -> None:
        self.governor = Governor(shards)
        self.shards = shards
        self.now = START
        self.told: list[tuple[int, Action]] = []
        self.records: list[tuple[int, Any]] = []
        """Everything that was fed: (shard, record)."""
        self.champions: list[tuple[int, str | None]] = []
        if settings is not None:
            self.broadcast(configured(settings))

    def broadcast(self, event: Any) -> None:
        for shard in range(self.shards):
            self.feed(event, shard)

    def feed(self, record: Any, shard: int = 0) -> None:
        self.records.append((shard, record))
        self.governor.feed(record, shard, f"{shard}/{len(self.records)}")

    def at(self, now: int) -> list[Action]:
        """The log's clock says ``now``; decide, and let everything come back, until there is nothing more to do."""
        self.now = now
        self.governor.tick(now)
        self.governor.evidence.heard = max(self.governor.evidence.heard, now)
        done: list[Action] = []
        for _ in range(10):
            actions = self.governor.decide()
            for action in actions:
                self.obey(action)
            if not actions:
                return done
            done += actions
        raise AssertionError(f"it never comes to rest: {actions}")

    def obey(self, action: Action) -> None:
        self.told.append((self.now, action))
        match action:
            case Announce(event, shards):
                for shard in shards:
                    self.feed(stamped(event, self.now), shard)
                if isinstance(event, ModelActivated):
                    self.champions.append((self.now, event.version))
            case Ask(command):
                self.feed(command)
            case Raise(alert):
                self.feed(alert)
            case Answer(done):
                self.feed(done)

    def replayed(self) -> Governor:
        """Another governor, that read the same log."""
        other = Governor(self.shards)
        for shard, record in self.records:
            other.feed(record, shard)
        other.tick(self.now)
        other.evidence.heard = self.governor.evidence.heard
        return other

    def run(self, model: str, rights: list[bool], begin: int, every: int = 10 * SECOND) -> int:
        """Outcomes of a model, one after the other, each looked at at once; returns when the last one was known."""
        ts = begin
        for right in rights:
            ts += every
            self.feed(outcome(ts, right, model))
            self.at(ts + MINUTE)
        return ts + MINUTE


def announced(world: World) -> list[tuple[str, str | None]]:
    """What was written about models: (promote, watch or dismiss, version)."""
    found = []
    for _, action in world.told:
        if isinstance(action, Announce):
            event = action.event
            kind = "use" if isinstance(event, ModelActivated) else "watch" if event.watching else "dismiss"
            found.append((kind, event.version))
    return found


def world_with(**settings: object) -> World:
    return World(strategy(training=msgspec.structs.replace(TRAINING, **settings)))


def asked(world: World) -> list[tuple[int, str]]:
    """(when, by which trigger) of every request."""
    return [(now, action.command.trigger) for now, action in world.told if isinstance(action, Ask)]


def finish(world: World, status: str = "ready", version: str = "v1") -> TrainingDone:
    """The training that is asked for ends at once."""
    request = world.governor.queue.next()
    assert request is not None
    done = TrainingDone(
        "alpha", world.now, world.now, status, request.ids, request.trigger,  # type: ignore[arg-type]
        version=version if status == "ready" else None,
    )  # fmt: skip
    world.feed(done)
    return done
