"""What is remembered of one strategy and symbol: what was said, what it came to, and who learns from it."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from operators.online.distribution import Distribution
from operators.online.drift import Change, Drift
from operators.online.learner import Learner
from operators.online.metrics import Window
from schemas.learning import Online
from schemas.market import Side
from schemas.origin import Origin
from schemas.prediction import Role
from schemas.strategy import Strategy

Voice = tuple[Role, str]
"""Who said something: its role and its version."""


class Said(NamedTuple):
    """One prediction that waits for its outcome."""

    role: Role
    version: str
    said: Distribution
    side: Side | None
    origin: Origin


class Pending(NamedTuple):
    """What was known and said at the vector of ``ts`` (microseconds UTC); ``row`` is what the learner saw, empty where
    there is nothing to learn."""

    ts: int
    row: list[float | None]
    said: list[Said]


class Track:
    """How one model did: its last outcomes, whether there are new ones, and whether it drifts."""

    def __init__(self, settings: Online) -> None:
        self.window = Window(settings.window)
        self.drift = Drift(settings.drift)
        self.news = False

    def add(self, label: int, said: Distribution, watched: bool) -> Change | None:
        """One more outcome; a drift, if the model is ``watched`` for any."""
        self.window.add(label, said)
        self.news = True
        return self.drift.update(label != said.label) if watched else None

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.news, self.window.snapshot(), self.drift.snapshot()

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.news, window, drift = state
        self.window.restore(window)
        self.drift.restore(drift)


class Watch:
    """The memory of one strategy and symbol; ``minute`` is that of the last scores."""

    def __init__(self, strategy: Strategy, meanings: Mapping[str, str]) -> None:
        self.signature = signature(strategy)
        self.settings = strategy.learning.online
        self.learner = Learner(self.settings, meanings)
        self.waiting: deque[Pending] = deque()
        self.tracks: dict[Voice, Track] = {}
        self.minute = 0

    def begin_anew(self, meanings: Mapping[str, str]) -> None:
        """Have the learner forget everything, and look at the features of another registry."""
        self.learner = Learner(self.settings, meanings)
        self.waiting = deque(pending._replace(row=[]) for pending in self.waiting)

    def track(self, role: Role, version: str) -> Track:
        """That of a model; a new one begins with nothing."""
        track = self.tracks.get((role, version))
        if track is None:
            track = self.tracks[role, version] = Track(self.settings)
        return track

    def take(self, ts: int) -> Pending | None:
        """What waits since ``ts``; what is older can have no outcome any more."""
        while self.waiting and self.waiting[0].ts <= ts:
            found = self.waiting.popleft()
            if found.ts == ts:
                return found
        return None

    def keep(self, voices: Sequence[Voice]) -> None:
        """Forget the tracks of models that say nothing any more."""
        heard = {*voices, *((said.role, said.version) for pending in self.waiting for said in pending.said)}
        self.tracks = {voice: track for voice, track in self.tracks.items() if voice in heard}

    def snapshot(self) -> Any:
        """The state as plain data."""
        tracks = [(*voice, track.snapshot()) for voice, track in self.tracks.items()]
        return self.signature, self.learner.snapshot(), list(self.waiting), tracks, self.minute

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``, of a watch with the same signature."""
        self.signature, learner, waiting, tracks, self.minute = state
        self.learner.restore(learner)
        self.waiting = deque(_pending(*pending) for pending in waiting)
        self.tracks = {}
        for role, version, data in tracks:
            self.track(role, version).restore(data)


def signature(strategy: Strategy) -> bytes:
    """Those settings with which everything that was learned stands and falls."""
    return msgspec.json.encode((strategy.learning.target, strategy.learning.online))


def _pending(ts: int, row: list[float | None], said: list[Any]) -> Pending:
    return Pending(
        ts,
        row,
        [Said(role, version, Distribution(*p), side, Origin(*origin)) for role, version, p, side, origin in said],
    )
