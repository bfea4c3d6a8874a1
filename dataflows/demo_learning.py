"""The learning loop from an empty log, in one process and in virtual time: a demo market, the trading flow that follows
it, and the governor that looks at what came of it after each piece.

Market, flow, governor and trainings are those of a live system; what differs is that they take turns. A live training
takes minutes that a market does not wait for; here it takes no time at all on the log's clock.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from connectors.control import broadcast
from connectors.demo.market import Market
from connectors.demo.session import Session
from connectors.log import LogError
from connectors.log.sqlite import SqliteLog
from dataflows.demo_plan import LEARNER, SYMBOL, Plan
from dataflows.demo_report import SHARDS
from dataflows.demo_story import Story
from dataflows.job import Job
from dataflows.learn import Learner
from dataflows.positions import parse_place
from dataflows.retrain import InProcess
from dataflows.trading import Trading
from dataflows.workshop import Workshop
from learning.files import ModelFiles
from operators.keyframe import Keyframes
from operators.registry import Registry
from reports.loop.material import Note
from schemas.strategy import StrategyConfigured
from schemas.topics import TOPICS

DEPTH = 50


class Demo:
    """One run of a plan in ``folder``, which gets ``log``, ``models`` and ``recovery``.

    Args:
        plan: what is played.
        registry: the features to compute.
        folder: a folder of its own; what another run left there is removed.
    """

    def __init__(self, plan: Plan, registry: Registry, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.models = folder / "models"
        for part in ("log", "models", "recovery", "work"):
            shutil.rmtree(folder / part, ignore_errors=True)
        self.models.mkdir(parents=True)
        self.log = SqliteLog(folder / "log")
        for topic in TOPICS:
            self.log.create(topic.name, SHARDS, topic.cleanup)
        broadcast(self.log, SHARDS, [plan.account(), *(StrategyConfigured(1, found) for found in plan.strategies())])
        market = Market([SYMBOL], plan.seed, plan.start, plan.rate, DEPTH, plan.lesson)
        self.session = Session(market, self.log, SHARDS, Keyframes().feed)
        files = ModelFiles(self.models)
        self.job = Job(Trading(files), self.log, SHARDS, registry)
        self.job.prepare(folder / "recovery", "demo-learning")
        self.learner = Learner(
            self.log, SHARDS, InProcess(Workshop(self.log, SHARDS, registry, files, folder / "work"))
        )

    def play(self, told: Callable[[Note], None]) -> Iterator[float]:
        """Play the plan to its end; ``told`` hears each note of the story once. Yields the share that is done."""
        plan = self.plan
        story = Story(self.log, LEARNER, plan.start)
        for now in range(plan.start + plan.chunk * 1_000_000, plan.end + 1, plan.chunk * 1_000_000):
            self.session.until(now)
            self.follow()
            self.learner.step()
            for note in story.news():
                told(note)
            yield (now - plan.start) / (plan.end - plan.start)
        self.follow()

    def follow(self) -> None:
        """Have the trading flow take in what is new, as a live one that was started again does."""
        self.job.live(self.folder / "recovery", until_end=True)

    def replay(self) -> int:
        """Replay the whole log through the trading flow; returns how many records came out as they had been.

        Raises:
            LogError: when one did not.
        """
        parity = self.job.parity(parse_place("beginning"), parse_place("end"))
        if not parity.identical:
            differing = {topic: found.first for topic, found in parity.topics.items() if not found.identical}
            raise LogError(f"the replay of {self.folder / 'log'} differs from what was published: {differing}")
        return sum(found.matches for found in parity.topics.values())

    def close(self) -> None:
        """Let go of the log."""
        self.learner.close()
        self.log.close()
