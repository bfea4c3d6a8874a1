"""Who is watched, who takes over, and who has to go, for one strategy and symbol at a time."""

from collections.abc import Iterator

from learning.governor.actions import BY, Action, Announce, decision, short
from learning.governor.alarms import Alarms
from learning.governor.evidence import Evidence
from learning.governor.force import Force, Held, Key, activated, shadowed
from learning.governor.promotion import Judged, falls, judge, trial
from schemas.model import ONLINE, ModelActivated, ModelShadowed
from schemas.strategy import Strategy

CANDIDATES = 3
"""Candidates that run in shadow side by side; the oldest has to go for a fourth."""
MINUTE = 60_000_000


class Succession:
    """Decides by what is in force and what is known of every model. It remembers only what it has looked at already."""

    def __init__(self, force: Force, evidence: Evidence, alarms: Alarms) -> None:
        self.force = force
        self.evidence = evidence
        self.alarms = alarms
        self.judged: dict[tuple[Key, str], Judged] = {}
        """What was made of each candidate last."""
        self._looked: dict[Key, tuple[int, int]] = {}

    def keys(self, settings: Strategy) -> list[Key]:
        """All symbols together first, then those that have models of their own."""
        own = {key for known in (self.force.champions, self.force.candidates) for key in known}
        own |= {(strategy, done.symbol or "") for (strategy, _), done in self.evidence.trained.items()}
        return sorted({(settings.strategy, ""), *(key for key in own if key[0] == settings.strategy)})

    def actions(self, settings: Strategy, key: Key, now: int) -> list[Action]:
        """What is to be done; nothing where there was nothing new since nothing was."""
        arriving = [*self._begin(key), *self._end(key)]
        seen = self.evidence.news.get(settings.strategy, 0), now // MINUTE
        if not arriving and self._looked.get(key) == seen:
            return []
        champion = self.force.champions.get(key)
        worse = self.alarms.worse(settings, key, champion, now) if champion is not None else ()
        found: list[Action] = [*arriving, *worse, *([] if arriving else self._change(settings, key, now))]
        if not found:
            self._looked[key] = seen
        return found

    def _begin(self, key: Key) -> Iterator[Announce]:
        """The newest model of a training goes into shadow, and so does a champion that fell."""
        strategy, symbol = key
        made = [one for (name, _), one in self.evidence.trained.items() if (name, one.symbol or "") == key]
        if made and (strategy, str(made[-1].version)) not in self.force.known:
            done = made[-1]
            name = decision("shadow", strategy, done.version, symbol)
            reason = f"trained by {done.trigger or 'hand'} from {done.rows} rows"
            yield self._shadow(key, Held(str(done.version), done.sha256, 0), name, reason)
        if (fallen := self.force.fallen.get(key)) and fallen.version != ONLINE:
            name = decision("shadow", strategy, fallen.version, symbol, fallen.decision)
            if not self.force.done(name):
                yield self._shadow(key, fallen, name, "it fell, and is watched on")

    def _end(self, key: Key) -> Iterator[Announce]:
        """A champion needs no shadow, and there is only room for so many."""
        champion = self.force.champions.get(key)
        watched = self.force.candidates.get(key, {})
        for held in watched.values():
            if champion is not None and champion.version == held.version:
                yield self._dismiss(key, held, "it is the champion")
        oldest = sorted(watched.values(), key=lambda held: held.since)
        for held in oldest[: max(0, len(oldest) - CANDIDATES)]:
            yield self._dismiss(key, held, f"there are {CANDIDATES} newer candidates")

    def _change(self, settings: Strategy, key: Key, now: int) -> Iterator[Action]:
        """Who has waited in vain goes; of those that have won the best takes over, or else a bad champion falls."""
        winners: list[tuple[float, Held, str]] = []
        for held in self._candidates(settings, key, now):
            judged, reached = self._judge(settings, key, held, now)
            self.judged[key, held.version] = judged
            if judged.verdict == "dismiss" and held.version != ONLINE:
                yield self._dismiss(key, held, judged.reason)
            elif judged.verdict == "promote":
                winners.append((reached, held, judged.reason))
        if winners:
            _, held, reason = max(winners, key=lambda one: one[0])
            name = decision("promote", key[0], held.version, key[1], held.decision or held.since)
            yield self._announce(activated(*key, held, name, reason, BY))
        else:
            yield from self._fall(settings, key, now)

    def _fall(self, settings: Strategy, key: Key, now: int) -> Iterator[Action]:
        champion = self.force.champions.get(key)
        if champion is None:
            return
        marks, changed = self.evidence.of(key[0], champion.version), self.force.changed[key]
        if reason := falls(settings.learning.promotion, champion, marks, changed, now, key[1]):
            name = decision("fall", key[0], champion.version, key[1], champion.decision or champion.since)
            yield from self.alarms.raised("model.fell", key, champion.version, name, "accuracy", reason, now)
            yield self._announce(activated(*key, None, name, reason, BY))

    def _candidates(self, settings: Strategy, key: Key, now: int) -> list[Held]:
        """Those in shadow, and the online model, which always predicts: its time begins anew with every patience."""
        champion = self.force.champions.get(key)
        found = list(self.force.candidates.get(key, {}).values())
        learning = settings.learning
        if learning.online.enabled and not key[1] and (champion is None or champion.version != ONLINE):
            begin = max(self.force.configured[key[0]], self.force.changed.get(key, 0))
            patience = int(learning.promotion.patience_minutes * MINUTE)
            found.append(Held(ONLINE, "", begin + max(0, now - begin) // patience * patience))
        return found

    def _judge(self, settings: Strategy, key: Key, held: Held, now: int) -> tuple[Judged, float]:
        strategy, symbol = key
        champion = self.force.champions.get(key) or self.force.champions.get((strategy, ""))
        rival = self.evidence.of(strategy, champion.version) if champion else None
        marks = self.evidence.of(strategy, held.version)
        found = trial(marks, held.since, rival, champion.version if champion else "", symbol)
        tested = self.evidence.tested(strategy, held.version).get("accuracy")
        changed = self.force.changed.get(key)
        return judge(settings.learning.promotion, found, held.since, changed, now, tested), found.own

    def _shadow(self, key: Key, held: Held, name: str, reason: str) -> Announce:
        return self._announce(shadowed(*key, held, name, short(reason), BY))

    def _dismiss(self, key: Key, held: Held, reason: str) -> Announce:
        name = decision("dismiss", key[0], held.version, key[1], held.decision or held.since)
        return self._announce(shadowed(*key, held, name, short(reason), BY, watching=False))

    def _announce(self, event: ModelActivated | ModelShadowed) -> Announce:
        return Announce(event, tuple(range(self.force.shards)))
