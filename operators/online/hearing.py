"""Asks models what they say of a vector, and has the online ones learn; what fails is told, and nothing else stops."""

from typing import Any

from operators.engine import Cursor
from operators.online import records
from operators.online.distribution import Distribution, distribution
from operators.online.force import Force, Voiced
from operators.online.learner import TROUBLE, Doing, Learner
from operators.online.watch import Pending, Watch
from schemas.model import ONLINE
from schemas.strategy import Strategy
from schemas.vector import FeatureVector

Asked = tuple[str, str, int, str]
"""(strategy, symbol, time of the vector, version)"""


class Hearing:
    """What was said of a vector is said again for as long as its event is at hand, whatever is learned meanwhile.

    Args:
        cursor: names what is derived, and tells one event from the next.
        force: knows who has a say.
        watches: whose learners are asked, by strategy and symbol.
    """

    def __init__(self, cursor: Cursor, force: Force, watches: dict[tuple[str, str], Watch]) -> None:
        self.cursor = cursor
        self.force = force
        self.watches = watches
        self._said: dict[Asked, Distribution] = {}
        self._at = -1

    def said(self, strategy: str, symbol: str, version: str, vector: FeatureVector) -> Distribution | None:
        """What a model in force says of a vector: as it was recorded, or now; changes nothing."""
        self._renew()
        known = self._said.get((strategy, symbol, vector.ts, version))
        if known is not None or vector.tainted:
            return known
        voice = self.force.voice(strategy, symbol, version)
        if voice is None:
            return None
        try:
            return self._ask(strategy, voice, vector)
        except TROUBLE:
            return None

    def used(self, strategy: str, symbol: str, version: str) -> tuple[str, ...]:
        """The features that a model looks at."""
        voice = self.force.voice(strategy, symbol, version)
        if voice is None or version != ONLINE:
            return () if voice is None else self.force.shelf.model(voice.found).features
        watch = self.watches.get((strategy, symbol))
        return () if watch is None else watch.learner.names

    def hear(
        self, strategy: Strategy, watch: Watch, voice: Voiced, vector: FeatureVector, out: list[Any]
    ) -> Distribution | None:
        """What one model says; where it fails, that is told, and it says nothing."""
        online = voice.found.version == ONLINE
        self._renew()
        asked = strategy.strategy, vector.symbol, vector.ts, voice.found.version
        if asked in self._said:
            return self._said[asked]
        try:
            said = self._ask(strategy.strategy, voice, vector)
            if online:
                watch.learner.went_well("predict")
        except TROUBLE as error:
            if online:
                self._failed(strategy, watch.learner, vector, "predict", error, out)
            else:
                self.force.failed(strategy, vector, voice, error, out)
            return None
        if said is not None:
            self._said[asked] = said
        return said

    def learn(
        self, strategy: Strategy, watch: Watch, vector: FeatureVector, pending: Pending, label: int, out: list[Any]
    ) -> None:
        """Learn what came of what was seen then."""
        try:
            watch.learner.learn(pending.row, label)
            watch.learner.went_well("learn")
        except TROUBLE as error:
            self._failed(strategy, watch.learner, vector, "learn", error, out)

    def forget(self) -> None:
        """Nothing that was said is to be said again."""
        self._said = {}

    def _ask(self, strategy: str, voice: Voiced, vector: FeatureVector) -> Distribution | None:
        if voice.found.version == ONLINE:
            watch = self.watches.get((strategy, vector.symbol))
            return None if watch is None else watch.learner.probabilities(vector.features)
        return distribution(self.force.shelf.model(voice.found).probabilities(vector.features))

    def _failed(
        self,
        strategy: Strategy,
        learner: Learner,
        vector: FeatureVector,
        doing: Doing,
        error: Exception,
        out: list[Any],
    ) -> None:
        told = learner.failed(doing)
        if told:
            reason = f"{told}: {type(error).__name__}: {error}"
            out.append(
                records.trouble(
                    "model.failed", vector.symbol, vector.ts, strategy.strategy, ONLINE, reason, self.cursor.next()
                )
            )

    def _renew(self) -> None:
        if self._at != self.cursor.offset:
            self._at = self.cursor.offset
            self.forget()
