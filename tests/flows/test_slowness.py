"""An engine that cannot keep up says so, and which of its stages is to blame."""

import structlog

from dataflows.slowness import WINDOW, Slowness
from operators.engine import Engine
from schemas.codec import encode
from schemas.market import Tick

SECOND = 1_000_000


class Clock:
    """A stage that knows the time of the log."""

    layout = 1

    def __init__(self):
        self.clock = None

    def feed(self, record, out):
        self.clock = record.recv
        out.append(record)

    def snapshot(self):
        return self.clock

    def restore(self, state):
        self.clock = state


class Model(Clock):
    """A stage that takes ``cost`` seconds of ``Hands`` for each record."""

    def __init__(self, hands, cost):
        super().__init__()
        self.hands = hands
        self.cost = cost
        del self.clock

    def feed(self, record, out):
        self.hands.seconds += self.cost
        out.append(record)


class Hands:
    """A clock that moves when it is told to."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def run(cost, ticks):
    """What was logged while a tick a second went through, each of which costs ``cost`` seconds."""
    hands = Hands()
    engine = Engine(3, lambda cursor: [Clock(), Model(hands, cost)])
    slowness = Slowness(engine, hands)
    with structlog.testing.capture_logs() as logs:
        for second in range(ticks):
            begin = hands()
            engine.feed([(second, encode(Tick(second * SECOND + 1)))])
            slowness.fed(hands() - begin)
    return logs, engine


def test_a_stage_that_takes_longer_than_the_log_is_named():
    """Once it is known to be slow, each further window."""
    logs, _ = run(cost=2.0, ticks=40)

    assert len(logs) == 40 * 2 // WINDOW - 1
    for entry in logs:
        assert entry["event"] == "flow.slow"
        assert (entry["shard"], entry["stages"]) == (3, {"Model": entry["seconds"]})
        assert entry["of_log"] < entry["seconds"]


def test_an_engine_that_keeps_up_is_not_timed():
    logs, engine = run(cost=0.5, ticks=200)

    assert not logs
    assert all("feed" not in vars(stage) for stage in engine.stages)
