"""Asks the rules, and lets through what no gate holds back."""

from collections.abc import Callable, Sequence
from typing import Any

from operators.exits.case import Case
from operators.exits.gates import GATES
from operators.exits.records import Records, facts, trigger_facts
from operators.exits.rule import Rule, Trigger
from operators.exits.sight import Sight, Sights
from operators.exits.stake import Stake
from operators.exits.watch import Watch
from operators.spans import SECOND
from operators.trading.account import OpenOrder
from operators.trading.stage import AccountStage
from schemas.decision import Number
from schemas.strategy import Exits, Strategy

TROUBLE = (ArithmeticError, ValueError, LookupError)
"""What a rule may raise without stopping anybody but itself."""
DEFAULT = Exits()


class Judge:
    """Evaluates stakes. One strategy's trouble never touches another: it becomes a quality record."""

    def __init__(
        self,
        accounts: AccountStage,
        sights: Sights,
        records: Records,
        open_orders: Callable[[str], list[OpenOrder]],
        rules: Sequence[Rule],
    ) -> None:
        self.accounts = accounts
        self.sights = sights
        self.records = records
        self.open_orders = open_orders
        self.rules = rules

    @property
    def clock(self) -> int:
        """The shard's clock, microseconds."""
        return self.sights.quotes.clock

    def all(self, watch: Watch, out: list[Any]) -> None:
        """Evaluate every stake of a symbol at the price of now."""
        sight = self.sights.of(watch.symbol)
        watch.price, watch.evaluated = sight.price, self.clock
        for stake in list(watch.stakes.values()):
            self._evaluate(watch, stake, sight, out)

    def once(self, watch: Watch, out: list[Any]) -> None:
        """The same, unless that was done at this moment and price."""
        if watch.evaluated != self.clock or watch.price != self.sights.quotes.price(watch.symbol):
            self.all(watch, out)

    def one(self, watch: Watch, stake: Stake, out: list[Any]) -> None:
        """Evaluate one stake."""
        self._evaluate(watch, stake, self.sights.of(watch.symbol), out)

    def updated(self, watch: Watch, changed: bool, out: list[Any]) -> None:
        """Evaluate after a position update, as far as it is not debounced."""
        sight = self.sights.of(watch.symbol)
        for stake in list(watch.stakes.values()):
            if stake.update(self.clock, changed, self._exits(stake).debounce):
                self._evaluate(watch, stake, sight, out)

    def _exits(self, stake: Stake) -> Exits:
        settings = self.accounts.strategies.get(stake.strategy)
        return DEFAULT if settings is None else settings.exits

    def _evaluate(self, watch: Watch, stake: Stake, sight: Sight, out: list[Any]) -> None:
        try:
            self._ask(watch, stake, sight, out)
        except TROUBLE as error:
            self._failed(watch, stake, "", error, out)

    def _triggers(self, watch: Watch, stake: Stake, price: float, settings: Exits, out: list[Any]) -> list[Trigger]:
        """Ask every rule. One that fails does not stop the others: a stop loss works whatever else is broken."""
        found = []
        for rule in self.rules:
            try:
                trigger = rule.evaluate(settings, stake, price, self.clock)
            except TROUBLE as error:
                self._failed(watch, stake, rule.name, error, out)
            else:
                if trigger is not None:
                    found.append(trigger)
        return found

    def _ask(self, watch: Watch, stake: Stake, sight: Sight, out: list[Any]) -> None:
        settings = self.accounts.strategies.get(stake.strategy)
        if settings is None:
            self._skip(watch, stake, "settings", "no settings of this strategy are known", {}, out)
            return
        fresh = sight.fresh(settings.data.max_age * SECOND)
        if fresh and sight.price is not None:
            stake.see(sight.price)
        else:
            # The next event counts as a new price, also where it has the same.
            watch.price = None
        if not settings.exits.enabled or stake.waiting(self.clock, settings.exits.debounce):
            return
        price = stake.entry if sight.price is None else sight.price
        triggers = self._triggers(watch, stake, price, settings.exits, out)
        if not fresh:
            self._blind(watch, stake, sight, triggers, settings, out)
        elif triggers:
            self._close(watch, stake, price, triggers, settings, out)

    def _blind(
        self,
        watch: Watch,
        stake: Stake,
        sight: Sight,
        triggers: list[Trigger],
        settings: Strategy,
        out: list[Any],
    ) -> None:
        """Without a sound price nothing is closed; say so, and what would have been."""
        age = None if sight.age is None else sight.age / SECOND
        if sight.price is None:
            step, reason = "no_price", "no price is known"
        elif age is None:
            step, reason = "stale_data", "neither a book nor a recent trade gives a price"
        else:
            step, reason = "stale_data", f"market data are {age:.1f} s old, at most {settings.data.max_age:g} s may be"
        if triggers:
            at = "entry" if sight.price is None else "last"
            reason += f"; held back at the {at} price: " + "; ".join(f"{t.rule}: {t.reason}" for t in triggers)
        numbers = {"age": age, "max_age": settings.data.max_age, **trigger_facts(triggers)}
        rule = triggers[0].rule if triggers else ""
        self._skip(watch, stake, step, reason, numbers, out, rule, sight.price)

    def _close(
        self,
        watch: Watch,
        stake: Stake,
        price: float,
        triggers: list[Trigger],
        settings: Strategy,
        out: list[Any],
    ) -> None:
        trigger, pace = triggers[0], watch.pace(stake.strategy)
        case = Case(settings, stake, watch.report, pace, self.open_orders, trigger, price, self.clock)
        passed: list[dict[str, Any]] = []
        for name, gate in GATES:
            verdict = gate(case)
            if verdict.step is not None:
                reason = f"{trigger.rule} ({trigger.reason}) is held back: {verdict.reason}"
                numbers = trigger_facts(triggers) | verdict.numbers
                self._skip(watch, stake, verdict.step, reason, numbers, out, trigger.rule, price)
                return
            passed.append({"gate": name, **verdict.numbers})
        self._emit(watch, case, triggers, passed, out)

    def _emit(
        self, watch: Watch, case: Case, triggers: list[Trigger], passed: list[dict[str, Any]], out: list[Any]
    ) -> None:
        stake, closing = case.stake, case.closing
        snapshot = self.sights.quotes.market_snapshot(watch.symbol)
        if closing is None or snapshot is None:
            raise ValueError(f"{watch.symbol}: an exit passed every gate without a price or a size")
        numbers = facts(stake, watch.report, self.clock, case.price) | trigger_facts(triggers)
        numbers |= {"closing": closing.size, "amount": closing.amount, "partial": closing.partial}
        model = None if case.settings.mode == "warmup" else self.accounts.model(stake.strategy, watch.symbol)
        decision, signal = self.records.exit(case, numbers, passed, snapshot, closing, model)
        out += (decision, signal)
        case.pace.signalled(self.clock)
        stake.partial = signal.signal_id if closing.partial else stake.partial
        self.accounts.account.signalled(signal)

    def _skip(
        self,
        watch: Watch,
        stake: Stake,
        step: str,
        reason: str,
        numbers: dict[str, Number],
        out: list[Any],
        rule: str = "",
        price: float | None = None,
    ) -> None:
        """Put on record that nothing was closed: once per rule, step and cooldown."""
        if watch.pace(stake.strategy).may_say(f"{rule}/{step}", self.clock, self._exits(stake).cooldown):
            told = facts(stake, watch.report, self.clock, price) | {"rule": rule or None} | numbers
            out.append(self.records.decision(stake, step, reason, told))

    def _failed(self, watch: Watch, stake: Stake, rule: str, error: Exception, out: list[Any]) -> None:
        if watch.pace(stake.strategy).may_say(f"{rule}/failed", self.clock, self._exits(stake).cooldown):
            said = f"{type(error).__name__}: {error}"
            detail = {"strategy": stake.strategy, "stage": "exits", "rule": rule, "error": said}
            out.append(self.records.quality(watch.symbol, "strategy.failed", **detail))
