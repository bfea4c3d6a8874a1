"""The stage that decides about entries."""

from typing import Any

from operators.decide.bucket import Bucket
from operators.decide.case import Case
from operators.decide.evaluate import Result, evaluate
from operators.decide.memory import Memory
from operators.decide.mode import described, difference
from operators.decide.predictor import Predictor
from operators.decide.records import changed, signalled, silent, skipped
from operators.decide.turn import is_turn
from operators.engine import Cursor
from operators.spans import SECOND
from operators.symbol import SILENCE
from operators.trading.quotes import Quotes
from operators.trading.stage import AccountStage
from schemas.decision import Decision, Number
from schemas.market import Tick
from schemas.model import ModelActivated
from schemas.quality import QualityRecord
from schemas.strategy import Strategy, StrategyConfigured
from schemas.vector import FeatureVector

TROUBLE = (ArithmeticError, ValueError, LookupError)
"""What one strategy's trouble looks like: it is reported, and the others go on."""


class DecideStage:
    """Decides about entries, once each turn of a strategy and symbol, on the symbol's feature vectors.

    A turn leaves exactly one ``Decision``; one with outcome ``signal`` is followed by its ``TradingSignal``. Besides,
    a ``Decision`` of kind ``mode`` tells of every change of a strategy's mode, settings or selection of assets, and one
    of a symbol that fell silent. Strategies are asked in the order of their names and know nothing of each other; an
    error in one becomes the ``QualityRecord`` ``strategy.failed``.

    Args:
        cursor: names what is derived.
        quotes: prices and the clock.
        accounts: orders, positions, balances, strategies and active models.
        predictor: asked where a model is active; without it, or without a prediction, warm-up decides and says so.
    """

    layout = 1
    takes = frozenset({FeatureVector, Tick, StrategyConfigured, ModelActivated})

    def __init__(
        self, cursor: Cursor, quotes: Quotes, accounts: AccountStage, predictor: Predictor | None = None
    ) -> None:
        self.cursor = cursor
        self.quotes = quotes
        self.accounts = accounts
        self.predictor = predictor
        self.memories: dict[tuple[str, str], Memory] = {}
        self.seen: dict[str, bool] = {}
        """The symbols of this shard, and whether they were last found silent."""
        self._traders: dict[str, list[Strategy]] = {}

    def feed(self, record: Any, out: list[Any]) -> None:
        """Pass ``record`` on, then append what it makes the strategies decide."""
        out.append(record)
        kind = type(record)
        if kind is FeatureVector:
            self._vector(record, out)
        elif kind is Tick:
            self._tick(out)
        elif kind is StrategyConfigured:
            self._configured(record.settings, out)
        elif kind is ModelActivated:
            strategy = self.accounts.strategies.get(record.strategy)
            if strategy is not None:
                self._tell_all(strategy, out)

    def snapshot(self) -> Any:
        """The state as plain data."""
        return [(*key, memory.snapshot()) for key, memory in self.memories.items()], self.seen

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        memories, self.seen = state
        self.memories = {(strategy, symbol): Memory.restore(data) for strategy, symbol, data in memories}
        self._traders = {}

    # --- records ---

    def _vector(self, vector: FeatureVector, out: list[Any]) -> None:
        symbol = vector.symbol
        self.seen[symbol] = False
        for strategy in self._trading(symbol):
            memory = self._memory(strategy, symbol)
            if not memory.told:
                self._tell(strategy, symbol, memory, out)
            if decides(strategy) and is_turn(vector.ts, strategy.warmup.frequency):
                self._evaluate(strategy, vector, memory, out)

    def _tick(self, out: list[Any]) -> None:
        """Say once of each symbol that fell silent: without vectors there are no turns that could."""
        for symbol, is_silent in sorted(self.seen.items()):
            age = self.quotes.age(symbol)
            if age is None:
                # The market stage forgets a symbol in the end, and so does this one.
                del self.seen[symbol]
            elif age >= SILENCE and not is_silent:
                self.seen[symbol] = True
                for strategy in filter(decides, self._trading(symbol)):
                    self._silent(strategy, symbol, age, out)

    def _configured(self, strategy: Strategy, out: list[Any]) -> None:
        self._traders = {}
        clock = self.quotes.clock
        for (name, symbol), memory in list(self.memories.items()):
            if name != strategy.strategy:
                continue
            memory.bucket.change(strategy.rate, clock)
            if symbol not in strategy.symbols:
                self._tell(strategy, symbol, memory, out)
                del self.memories[name, symbol]
        self._tell_all(strategy, out)

    # --- decisions ---

    def _evaluate(self, strategy: Strategy, vector: FeatureVector, memory: Memory, out: list[Any]) -> None:
        name, symbol = strategy.strategy, vector.symbol
        version = self.accounts.model(name, symbol) if strategy.mode == "auto" else None
        case = Case(strategy, vector, self.quotes, self.accounts.account, memory, version, self.predictor)
        try:
            self._emit(case, evaluate(case), out)
        except TROUBLE as error:
            detail: dict[str, int | float | str] = {"strategy": name, "error": f"{type(error).__name__}: {error}"}
            out.append(QualityRecord(symbol, self.quotes.clock, "strategy.failed", detail, self.cursor.next()))

    def _emit(self, case: Case, result: Result, out: list[Any]) -> None:
        self._selection(case, result, out)
        if not result.is_signal:
            out.append(skipped(case, result, self.cursor))
            return
        decision, signal = signalled(case, result, self.cursor)
        case.memory.signalled(case.vector.ts, signal.side, case.clock)
        self.accounts.account.signalled(signal)
        out += (decision, signal)

    def _selection(self, case: Case, result: Result, out: list[Any]) -> None:
        """Tell of a change of what the automatic selection makes of the symbol."""
        asked = [*result.passed, {"gate": result.step, **result.numbers}]
        found = next((numbers for numbers in asked if numbers["gate"] == "assets"), None)
        if found is None:
            return
        choice = str(found.get("choice", ""))
        if choice and choice != case.memory.choice:
            numbers = {name: value for name, value in found.items() if name != "gate"}
            reason = f"asset selection: {choice}, {found['why']}"
            out.append(self._change(case.strategy, case.symbol, "assets", reason, numbers))
        case.memory.choice = choice

    def _silent(self, strategy: Strategy, symbol: str, age: int, out: list[Any]) -> None:
        version = self.accounts.model(strategy.strategy, symbol) if strategy.mode == "auto" else None
        out.append(silent(strategy.strategy, symbol, age / SECOND, version, self.quotes.clock, self.cursor))

    # --- changes ---

    def _tell_all(self, strategy: Strategy, out: list[Any]) -> None:
        for symbol in sorted(set(strategy.symbols) & self.seen.keys()):
            self._tell(strategy, symbol, self._memory(strategy, symbol), out)

    def _tell(self, strategy: Strategy, symbol: str, memory: Memory, out: list[Any]) -> None:
        """Tell of the mode and the parameters, if they are not those that were told last."""
        now = described(strategy, symbol, self.accounts.model(strategy.strategy, symbol))
        before, memory.told = memory.told, now
        begins_off = not before and now["mode"] == "off"
        if now != before and not begins_off:
            out.append(self._change(strategy, symbol, "mode", difference(before, now), now))

    def _change(self, strategy: Strategy, symbol: str, step: str, reason: str, numbers: dict[str, Number]) -> Decision:
        return changed(strategy.strategy, symbol, step, reason, numbers, self.quotes.clock, self.cursor)

    def _memory(self, strategy: Strategy, symbol: str) -> Memory:
        key = strategy.strategy, symbol
        memory = self.memories.get(key)
        if memory is None:
            memory = self.memories[key] = Memory(Bucket(strategy.rate, self.quotes.clock))
        return memory

    def _trading(self, symbol: str) -> list[Strategy]:
        """The strategies that name the symbol, in the order of their names."""
        found = self._traders.get(symbol)
        if found is None:
            strategies = self.accounts.strategies.values()
            found = self._traders[symbol] = [strategy for strategy in strategies if symbol in strategy.symbols]
        return found


def decides(strategy: Strategy) -> bool:
    """Whether a strategy makes entries at all."""
    return strategy.enabled and strategy.mode != "exits"
