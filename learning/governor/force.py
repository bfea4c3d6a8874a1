"""Which models are in force and in shadow, as the events of all shards say."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from learning.governor.actions import BY, Change
from schemas.model import ModelActivated, ModelShadowed
from schemas.strategy import Strategy, StrategyConfigured

Key = tuple[str, str]
"""(strategy, symbol; empty: all of its symbols)"""


class Held(NamedTuple):
    """A model that is in force or in shadow since ``since`` (microseconds UTC, log time), by a decision."""

    version: str
    sha256: str
    since: int
    decision: str = ""


class Turn(NamedTuple):
    """A change at ``ts``: what was in force, what is, and why; ``role`` champion or shadow."""

    ts: int
    key: Key
    role: str
    before: str | None
    after: str | None
    reason: str
    by: str


class Force:
    """Folds strategy and model events.

    An event with a decision counts when every shard holds it; until then it is ``incomplete``, and whoever finds it so
    has to finish what a killed writer began. An event without one counts as soon as shard 0 holds it.
    """

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self.strategies: dict[str, Strategy] = {}
        self.configured: dict[str, int] = {}
        """Since when a strategy learns as it does."""
        self.champions: dict[Key, Held] = {}
        self.candidates: dict[Key, dict[str, Held]] = {}
        self.changed: dict[Key, int] = {}
        """When the champion changed last."""
        self.known: set[tuple[str, str]] = set()
        """(strategy, version) of everything that ever was in force or in shadow."""
        self.fallen: dict[Key, Held] = {}
        """Champions that had to give way to warm-up, until there is another one; ``decision`` is that of the fall."""
        self.turns: list[Turn] = []
        self._open: dict[str, tuple[Change, dict[int, int]]] = {}
        self._done: set[str] = set()

    def feed(self, shard: int, event: StrategyConfigured | Change) -> None:
        """Take an event of a shard."""
        if isinstance(event, StrategyConfigured):
            if shard == 0:
                self._configure(event)
        elif not event.decision:
            if shard == 0:
                self._apply(event, event.recv)
        elif event.decision not in self._done:
            held = self._open.setdefault(event.decision, (event, {}))[1]
            held[shard] = event.recv
            if len(held) == self.shards:
                del self._open[event.decision]
                self._done.add(event.decision)
                self._apply(event, max(held.values()))

    def done(self, decision: str) -> bool:
        """Whether every shard holds a decision."""
        return decision in self._done

    def incomplete(self) -> Iterator[tuple[Change, tuple[int, ...]]]:
        """Events that some shards hold and others do not, with the numbers of the latter."""
        for event, held in self._open.values():
            yield event, tuple(shard for shard in range(self.shards) if shard not in held)

    def at(self, time: int) -> dict[Key, str | None]:
        """The champions at a time (microseconds UTC); None: warm-up."""
        found: dict[Key, str | None] = {}
        for turn in self.turns:
            if turn.role == "champion" and turn.ts <= time:
                found[turn.key] = turn.after
        return found

    def _configure(self, event: StrategyConfigured) -> None:
        settings = event.settings
        before = self.strategies.get(settings.strategy)
        if before is None or before.learning != settings.learning:
            self.configured[settings.strategy] = event.recv
        self.strategies[settings.strategy] = settings
        self.strategies = dict(sorted(self.strategies.items()))

    def _apply(self, event: Change, since: int) -> None:
        key = event.strategy, event.symbol or ""
        if isinstance(event, ModelShadowed):
            self._shadow(key, event, since)
            return
        before = self.champions.pop(key, None)
        self.fallen.pop(key, None)
        if event.version is None and before is not None and event.by == BY:
            self.fallen[key] = Held(before.version, before.sha256, since, event.decision)
        if event.version is not None:
            self.champions[key] = Held(event.version, event.sha256, since, event.decision)
            self.known.add((event.strategy, event.version))
        self.changed[key] = since
        was = before.version if before else None
        self.turns.append(Turn(since, key, "champion", was, event.version, event.reason, event.by))

    def _shadow(self, key: Key, event: ModelShadowed, since: int) -> None:
        watched = self.candidates.setdefault(key, {})
        before = watched.pop(event.version, None)
        if event.watching:
            watched[event.version] = Held(event.version, event.sha256, since, event.decision)
            self.known.add((event.strategy, event.version))
        elif not watched:
            del self.candidates[key]
        after = event.version if event.watching else None
        was = before.version if before else None
        self.turns.append(Turn(since, key, "shadow", was, after, event.reason, event.by))


def stamped(event: Change, recv: int) -> Change:
    """The event as it stands in a shard whose clock says ``recv``."""
    return msgspec.structs.replace(event, recv=recv)


def activated(strategy: str, symbol: str, held: Held | None, decision: str, reason: str, by: str) -> ModelActivated:
    """The activation of a model, or of warm-up."""
    version, sha256 = (held.version, held.sha256) if held else (None, "")
    return ModelActivated(1, strategy, version, symbol or None, sha256, reason, by, decision)


def shadowed(
    strategy: str, symbol: str, held: Held, decision: str, reason: str, by: str, watching: bool = True
) -> ModelShadowed:
    """The beginning or end of a candidate's time in shadow."""
    return ModelShadowed(1, strategy, held.version, symbol or None, held.sha256, watching, reason, by, decision)
