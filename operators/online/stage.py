"""The stage that has models predict, waits for what comes of it, and has the online ones learn."""

from typing import Any

from operators.decide.predictor import Forecast
from operators.engine import Cursor
from operators.labels.label import Label
from operators.labels.labeller import Labeller
from operators.online import records
from operators.online.distribution import SIDES
from operators.online.force import Force, Voiced
from operators.online.hearing import Hearing
from operators.online.models import NO_MODELS, Models
from operators.online.pipelines import pipeline
from operators.online.shelf import Shelf
from operators.online.watch import Pending, Said, Watch, signature
from operators.spans import MINUTE, SECOND
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage
from operators.versions import RegistryInForce
from schemas.learning import Online
from schemas.market import Gap, Kline, Trade
from schemas.model import ONLINE, ModelActivated, ModelShadowed
from schemas.prediction import Role
from schemas.strategy import Strategy, StrategyConfigured
from schemas.vector import FeatureVector

ROOM = 2_000
"""Predictions of one strategy and symbol that may wait for their outcome at a time; where a long horizon and a short
rhythm would make more, only every so many-th is remembered and learned from."""
WATCHED: tuple[Role, ...] = ("online", "champion")
"""Whose drift matters: a candidate decides nothing."""


class OnlineStage:
    """At each vector, for each strategy that learns or has a model, in the order of their names: what was foretold a
    horizon ago gets its ``Outcome`` and is learned from, with the features as they were then; once a minute ``Score``
    records follow; and every ``online.every`` seconds the online model, the champion and the candidates predict.

    Tainted vectors are neither predicted on nor learned from. Each ``ModelActivated`` and ``ModelShadowed`` leaves a
    ``ModelChange``, as does another feature registry for each model that fits no longer, or does now. It is also
    decide's ``Predictor``.

    Args:
        cursor: names what is derived.
        quotes: the clock and the registry.
        accounts: strategies, champions and candidates.
        models: finds the files of batch models.
    """

    layout = 2
    takes = frozenset(
        {FeatureVector, Trade, Kline, Gap, StrategyConfigured, ModelActivated, ModelShadowed, RegistryInForce}
    )

    def __init__(self, cursor: Cursor, quotes: Quotes, accounts: AccountStage, models: Models = NO_MODELS) -> None:
        self.cursor = cursor
        self.quotes = quotes
        self.accounts = accounts
        self.force = Force(cursor, quotes, accounts, Shelf(models, lambda: quotes.market.features))
        self.labels = Labeller()
        self.watches: dict[tuple[str, str], Watch] = {}
        self.hearing = Hearing(cursor, self.force, self.watches)

    def feed(self, record: Any, out: list[Any]) -> None:
        """Pass ``record`` on, then append what comes of it."""
        out.append(record)
        kind = type(record)
        if kind is StrategyConfigured:
            self._configured(record.settings, out)
        elif kind is ModelActivated or kind is ModelShadowed:
            self.force.event(record, out)
            self._tidy()
        elif kind is RegistryInForce:
            self._registry_changed(record.version, out)
        elif self.force.idle:
            return
        elif kind is FeatureVector:
            self._vector(record, out)
        else:
            self.labels.feed(record)

    def predict(self, strategy: str, symbol: str, version: str, vector: FeatureVector) -> Forecast | None:
        """What a model in force says of a vector; None where it says nothing."""
        said = self.hearing.said(strategy, symbol, version, vector)
        if said is None:
            return None
        result = {"sell_probability": said.down, "flat_probability": said.flat, "buy_probability": said.up}
        return Forecast(SIDES.get(said.label), said.confidence, result, self.hearing.used(strategy, symbol, version))

    def problem(self, strategy: str, symbol: str, version: str) -> str:
        """Why a model in force cannot be used; empty where nothing is known to be wrong."""
        return self.force.problem(strategy, symbol, version)

    def snapshot(self) -> Any:
        """The state as plain data."""
        watches = [(*key, watch.snapshot()) for key, watch in self.watches.items()]
        return self.force.snapshot(), self.labels.snapshot(), watches

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``; the accounts were restored before."""
        force, labels, watches = state
        self.force.restore(force)
        self.labels.restore(labels)
        self.watches.clear()
        for strategy, symbol, data in watches:
            self._watch(self.accounts.strategies[strategy], symbol).restore(data)
        self.hearing.forget()

    # --- vectors ---

    def _vector(self, vector: FeatureVector, out: list[Any]) -> None:
        self.labels.feed(vector)
        for strategy in self.force.strategies(vector.symbol):
            watch = self._watch(strategy, vector.symbol)
            voices = self.force.voices(strategy, vector.symbol)
            self._mature(strategy, watch, vector, out)
            self._score(strategy, watch, voices, vector, out)
            if not vector.tainted and vector.ts % (watch.settings.every * SECOND) == 0:
                self._predict(strategy, watch, voices, vector, out)

    def _mature(self, strategy: Strategy, watch: Watch, vector: FeatureVector, out: list[Any]) -> None:
        """Tell what came of the moment a horizon ago, then learn it."""
        key = strategy.strategy, vector.symbol
        for matured in self.labels.mature(key, vector, strategy.learning.target.threshold):
            pending = watch.take(matured.ts)
            if pending is None or matured.label is None:
                continue
            for said in pending.said:
                self._outcome(strategy, watch, vector, said, matured.label, out)
            if pending.row:
                self.hearing.learn(strategy, watch, vector, pending, matured.label.label, out)

    def _outcome(
        self, strategy: Strategy, watch: Watch, vector: FeatureVector, said: Said, label: Label, out: list[Any]
    ) -> None:
        name = strategy.strategy
        out.append(records.outcome(name, vector.symbol, label, said, self.cursor.next()))
        track = watch.track(said.role, said.version)
        change = track.add(label.label, said.said, said.role in WATCHED)
        if change is not None:
            out.append(records.drift(name, vector, said, change, self.cursor.next()))

    def _score(
        self, strategy: Strategy, watch: Watch, voices: list[Voiced], vector: FeatureVector, out: list[Any]
    ) -> None:
        minute = vector.ts // MINUTE
        if minute <= watch.minute:
            return
        watch.minute = minute
        for (role, version), track in watch.tracks.items():
            if track.news:
                track.news = False
                learned = watch.learner.learned if version == ONLINE else 0
                figures = track.window.figures()
                score = records.score(strategy.strategy, vector, role, version, figures, learned, self.cursor.next())
                out.append(score)
        watch.keep([(role, found.version) for role, found in voices])

    def _predict(
        self, strategy: Strategy, watch: Watch, voices: list[Voiced], vector: FeatureVector, out: list[Any]
    ) -> None:
        """Have everyone predict, and remember it until the horizon has passed; without a price there is nothing to."""
        name, symbol = strategy.strategy, vector.symbol
        price = self.labels.price(symbol, vector.ts)
        if price is None:
            return
        waiting: list[Said] = []
        for voice in voices:
            said = self.hearing.hear(strategy, watch, voice, vector, out)
            if said is not None:
                role, version = voice.role, voice.found.version
                record = records.prediction(strategy, vector, role, version, price, said, self.cursor.next())
                out.append(record)
                waiting.append(Said(role, version, said, record.side, record.origin))
        horizon = strategy.learning.target.horizon
        if is_remembered(vector.ts, horizon, watch.settings):
            row = watch.learner.row(vector.features) if self.force.learns(strategy) else []
            watch.waiting.append(Pending(vector.ts, row, waiting))
            self.labels.begin((name, symbol), vector, horizon)

    # --- settings ---

    def _configured(self, strategy: Strategy, out: list[Any]) -> None:
        self.force.configured(strategy, out)
        if strategy.enabled and strategy.learning.online.enabled:
            pipeline(strategy.learning.online)  # imports River here, at the head of a log, not in the midst of a market
        name, wanted = strategy.strategy, signature(strategy)
        for (owner, symbol), watch in list(self.watches.items()):
            if owner == name and watch.signature != wanted:
                reason = f"learning.target or learning.online changed: {watch.learner.learned} lessons are forgotten"
                told = records.trouble(
                    "model.reset", symbol, self.quotes.clock, name, ONLINE, reason, self.cursor.next()
                )
                out.append(told)
                self._forget(owner, symbol)
        self._tidy()

    def _registry_changed(self, version: str, out: list[Any]) -> None:
        """What looks at features that are gone, or are others now, begins anew or is refused."""
        self.force.registry_changed(version, out)
        meanings = self.quotes.market.features.meanings
        for (name, symbol), watch in self.watches.items():
            if not watch.learner.fits(meanings):
                if watch.settings.enabled:
                    lessons = f"{watch.learner.learned} lessons are forgotten"
                    reason = f"feature registry {version} changed what it looks at: {lessons}"
                    clock, origin = self.quotes.clock, self.cursor.next()
                    out.append(records.trouble("model.reset", symbol, clock, name, ONLINE, reason, origin))
                watch.begin_anew(meanings)
        self._tidy()

    def _tidy(self) -> None:
        """Forget those that do not take part any more."""
        for name, symbol in list(self.watches):
            if not any(strategy.strategy == name for strategy in self.force.strategies(symbol)):
                self._forget(name, symbol)
        if self.force.idle:
            self.labels = Labeller()

    def _forget(self, strategy: str, symbol: str) -> None:
        del self.watches[strategy, symbol]
        self.labels.forget((strategy, symbol))

    def _watch(self, strategy: Strategy, symbol: str) -> Watch:
        key = strategy.strategy, symbol
        watch = self.watches.get(key)
        if watch is None:
            watch = self.watches[key] = Watch(strategy, self.quotes.market.features.meanings)
        return watch


def is_remembered(ts: int, horizon: int, settings: Online) -> bool:
    """Whether the prediction of ``ts`` (microseconds UTC, on the rhythm) is one of those that wait for an outcome.

    >>> [is_remembered(second * SECOND, 86_400, Online(every=1)) for second in (43, 44, 45)]
    [False, True, False]
    """
    stride = -(-horizon // (settings.every * ROOM))
    return ts // (settings.every * SECOND) % stride == 0
