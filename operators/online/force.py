"""Which models are in force for a strategy and symbol, which of them can be used, and what is told of a change."""

from typing import Any, NamedTuple

from operators.engine import Cursor
from operators.online import records
from operators.online.shelf import Shelf
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage, InForce
from schemas.model import ONLINE, ModelActivated, ModelChange, ModelShadowed
from schemas.prediction import Role
from schemas.strategy import Strategy
from schemas.vector import FeatureVector

OWN = InForce(ONLINE, "")
"""The strategy's River model."""


class Voiced(NamedTuple):
    """A model that has a say, and in which role."""

    role: Role
    found: InForce


class Force:
    """Reads champions and candidates from the accounts and knows which of them are usable.

    Every event about a model leaves a ``ModelChange``; one that cannot be used leaves the ``QualityRecord``
    ``model.refused`` too, and says nothing until the next event puts it, or another one, in force.
    """

    def __init__(self, cursor: Cursor, quotes: Quotes, accounts: AccountStage, shelf: Shelf) -> None:
        self.cursor = cursor
        self.quotes = quotes
        self.accounts = accounts
        self.shelf = shelf
        self.champions: dict[tuple[str, str], str] = {}
        """The versions told last, by strategy and symbol (empty: all)."""
        self._strategies: dict[str, list[Strategy]] = {}
        self._voices: dict[tuple[str, str], list[Voiced]] = {}
        self._idle: bool | None = None

    @property
    def idle(self) -> bool:
        """Whether no strategy learns or has a model."""
        if self._idle is None:
            every = self.accounts.strategies.values()
            self._idle = not any(
                self._takes_part(strategy, symbol) for strategy in every for symbol in strategy.symbols
            )
        return self._idle

    def learns(self, strategy: Strategy) -> bool:
        """Whether its online model has what it looks at."""
        return strategy.learning.online.enabled and not self._missing(strategy)

    def strategies(self, symbol: str) -> list[Strategy]:
        """Those that learn or have a model for a symbol, in the order of their names."""
        found = self._strategies.get(symbol)
        if found is None:
            every = self.accounts.strategies.values()
            found = [each for each in every if symbol in each.symbols and self._takes_part(each, symbol)]
            self._strategies[symbol] = found
        return found

    def voices(self, strategy: Strategy, symbol: str) -> list[Voiced]:
        """The usable models of a strategy: the online one, the champion, the candidates in their order."""
        key = strategy.strategy, symbol
        found = self._voices.get(key)
        if found is None:
            found = self._voices[key] = [
                voice for voice in self.every(strategy, symbol) if not self.shelf.problem(key[0], voice.found)
            ]
        return found

    def voice(self, strategy: str, symbol: str, version: str) -> Voiced | None:
        """The usable model of a version."""
        settings = self.accounts.strategies.get(strategy)
        if settings is None or not settings.enabled or symbol not in settings.symbols:
            return None
        return next((voice for voice in self.voices(settings, symbol) if voice.found.version == version), None)

    def problem(self, strategy: str, symbol: str, version: str) -> str:
        """Why the champion cannot be used; empty where nothing is known to be wrong."""
        found = self.accounts.champion(strategy, symbol)
        return "" if found is None or found.version != version else self.shelf.problem(strategy, found)

    # --- events ---

    def event(self, event: ModelActivated | ModelShadowed, out: list[Any]) -> None:
        """A model comes into force, or leaves it; the accounts know already."""
        key = event.strategy, event.symbol or ""
        if isinstance(event, ModelActivated):
            before, after = self.champions.pop(key, None), event.version
            if after is not None:
                self.champions[key] = after
        else:
            before, after = (None, event.version) if event.watching else (event.version, None)
        strategy = self.accounts.strategies.get(event.strategy)
        problem = ""
        if after is not None:
            problem = self.shelf.check(strategy, event.strategy, InForce(after, event.sha256))
        out.append(records.changed(event, before, after, problem, self.quotes.clock, self.cursor.next()))
        if problem and after is not None:
            self._refused(event.strategy, event.symbol, after, problem, out)
        self._renew()

    def configured(self, strategy: Strategy, out: list[Any]) -> None:
        """Settings changed: what could be used may not be any more, or may be now."""
        name = strategy.strategy
        for role, symbol, found in self._of(name):
            before = self.shelf.problem(name, found)
            problem = self.shelf.check(strategy, name, found)
            if problem != before:
                self._change(name, role, symbol, found.version, problem, "settings changed", out)
        self._check_own(strategy, out)
        self._renew()

    def registry_changed(self, version: str, out: list[Any]) -> None:
        """Vectors are of another version from here on: some models fit them no longer, others do now."""
        for name, strategy in self.accounts.strategies.items():
            before = [(*each, self.shelf.problem(name, each[2])) for each in self._of(name)]
            for role, symbol, found, known in before:
                problem = self.shelf.check(strategy, name, found)
                if problem != known:
                    self._change(name, role, symbol, found.version, problem, f"feature registry {version}", out)
            self._check_own(strategy, out)
        self._renew()

    def failed(
        self, strategy: Strategy, vector: FeatureVector, voice: Voiced, error: Exception, out: list[Any]
    ) -> None:
        """A batch model raised: it is not asked again."""
        name, problem = strategy.strategy, f"{type(error).__name__}: {error}"
        self.shelf.mark(name, voice.found, problem)
        trouble = records.trouble(
            "model.failed", vector.symbol, vector.ts, name, voice.found.version, problem, self.cursor.next()
        )
        out.append(trouble)
        role: Role = voice.role
        self._change(name, role, vector.symbol, voice.found.version, problem, "it failed", out)
        self._voices = {}

    def snapshot(self) -> Any:
        """The state as plain data."""
        return [(*key, version) for key, version in self.champions.items()], self.shelf.snapshot()

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        champions, shelf = state
        self.champions = {(strategy, symbol): version for strategy, symbol, version in champions}
        self.shelf.restore(shelf)
        self._strategies, self._voices, self._idle = {}, {}, None

    # --- inside ---

    def _check_own(self, strategy: Strategy, out: list[Any]) -> None:
        online = strategy.learning.online
        if online.enabled and (missing := self._missing(strategy)):
            version = self.shelf.registry().version
            problem = f"learning.online.features names what registry {version} lacks: {', '.join(missing)}"
            self._refused(strategy.strategy, None, ONLINE, problem, out)

    def _takes_part(self, strategy: Strategy, symbol: str) -> bool:
        return strategy.enabled and bool(self.every(strategy, symbol))

    def every(self, strategy: Strategy, symbol: str) -> list[Voiced]:
        """Its models, usable or not: the online one, the champion, the candidates in their order."""
        name = strategy.strategy
        found = []
        if self.learns(strategy):
            found.append(Voiced("online", OWN))
        champion = self.accounts.champion(name, symbol)
        if champion is not None:
            found.append(Voiced("champion", champion))
        return found + [Voiced("shadow", candidate) for candidate in self.accounts.candidates(name, symbol)]

    def _missing(self, strategy: Strategy) -> list[str]:
        return [name for name in strategy.learning.online.features if name not in self.shelf.registry().meanings]

    def _of(self, strategy: str) -> list[tuple[Role, str | None, InForce]]:
        """Everything that is in force for a strategy: (role, symbol, model)."""
        found: list[tuple[Role, str | None, InForce]] = []
        for (name, symbol), champion in self.accounts.models.items():
            if name == strategy:
                found.append(("champion", symbol or None, champion))
        for (name, symbol), candidates in self.accounts.shadows.items():
            if name == strategy:
                found += [("shadow", symbol or None, candidate) for candidate in candidates.values()]
        return found

    def _change(
        self, name: str, role: Role, symbol: str | None, version: str, problem: str, reason: str, out: list[Any]
    ) -> None:
        """A model that stays in force can be used from here on, or not any more."""
        out.append(
            ModelChange(
                name,
                self.quotes.clock,
                "champion" if role == "champion" else "shadow",
                version,
                version,
                self.cursor.next(),
                usable=not problem,
                problem=problem,
                symbol=symbol,
                reason=reason,
            )
        )
        if problem:
            self._refused(name, symbol, version, problem, out)

    def _refused(self, name: str, symbol: str | None, version: str, problem: str, out: list[Any]) -> None:
        strategy = self.accounts.strategies.get(name)
        where = symbol or (strategy.symbols[0] if strategy else "")
        clock = self.quotes.clock
        out.append(records.trouble("model.refused", where, clock, name, version, problem, self.cursor.next()))

    def _renew(self) -> None:
        """Something changed: find out anew who takes part, and forget what is in force nowhere."""
        self._strategies, self._voices, self._idle = {}, {}, None
        wanted = {(name, *found) for (name, _), found in self.accounts.models.items()}
        for (name, _), candidates in self.accounts.shadows.items():
            wanted |= {(name, *found) for found in candidates.values()}
        self.shelf.keep(wanted)
