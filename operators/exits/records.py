"""The records that exits leave: decisions, signals, quality."""

from collections.abc import Mapping, Sequence
from typing import Any

from operators.engine import Cursor
from operators.exits.case import Case
from operators.exits.closing import Closing
from operators.exits.report import Report
from operators.exits.rule import Trigger
from operators.exits.stake import Stake
from operators.spans import SECOND
from operators.trading.quotes import Quotes
from schemas.decision import Decision, Number, Outcome
from schemas.quality import Problem, QualityRecord
from schemas.signal import MarketSnapshot, TradingSignal


class Records:
    """Makes records at the shard's clock, each with an origin of its own."""

    def __init__(self, cursor: Cursor, quotes: Quotes) -> None:
        self.cursor = cursor
        self.quotes = quotes

    def quality(self, symbol: str, problem: Problem, **detail: int | float | str) -> QualityRecord:
        """Something is odd, or well again."""
        return QualityRecord(symbol, self.quotes.clock, problem, detail, self.cursor.next())

    def decision(
        self, stake: Stake, step: str, reason: str, numbers: Mapping[str, Number], outcome: Outcome = "skip"
    ) -> Decision:
        """No signal, and why."""
        origin = self.cursor.next()
        return Decision(
            stake.strategy,
            stake.symbol,
            self.quotes.clock,
            "exit",
            outcome,
            step,
            reason,
            dict(numbers),
            str(origin.uuid("trace")),
            origin,
            stake.closing_side,
        )

    def exit(
        self,
        case: Case,
        numbers: dict[str, Number],
        gates: list[dict[str, Any]],
        snapshot: MarketSnapshot,
        closing: Closing,
        model: str | None,
    ) -> tuple[Decision, TradingSignal]:
        """The decision to close and the signal that does it; they share a trace id."""
        stake, trigger, clock = case.stake, case.trigger, case.clock
        decided, signalled = self.cursor.next(), self.cursor.next()
        trace_id, signal_id = str(decided.uuid("trace")), str(signalled.uuid("signal"))
        reason = f"{trigger.reason}: {stake.closing_side} {closing.size:.9g} at {snapshot.price:g}"
        decision = Decision(
            stake.strategy,
            stake.symbol,
            clock,
            "exit",
            "signal",
            trigger.rule,
            reason,
            numbers,
            trace_id,
            decided,
            stake.closing_side,
            signal_id,
            model,
            gates,
        )
        signal = TradingSignal(
            signal_id,
            stake.strategy,
            stake.symbol,
            clock,
            stake.closing_side,
            closing.amount,
            trigger.confidence,
            "exit",
            model is None,
            self.quotes.market.features.version,
            snapshot,
            reason,
            trace_id,
            signalled,
            model,
            urgent=True,
            rule=trigger.rule,
            details=details(case, closing, numbers),
        )
        return decision, signal


def details(case: Case, closing: Closing, numbers: Mapping[str, Number]) -> dict[str, Any]:
    """What the order-manager's metadata say of an exit (contracts: rabbitmq 6.3)."""
    stake, price = case.stake, case.price
    return {
        "reasoning": f"{case.trigger.rule}_triggered",
        "rule_triggered": case.trigger.rule,
        "exit_strategy": True,
        "exit_decision_metadata": {
            "triggered": numbers["triggered"],
            "entry_price": stake.entry,
            "current_price": price,
            "unrealized_pnl_pct": stake.profit_percent(price),
            "peak_price": stake.peak,
            "highest_unrealized_pnl": stake.highest,
            "held_seconds": (case.clock - stake.opened) / SECOND,
            "position_size": stake.size,
            "closing_size": closing.size,
            "partial": closing.partial,
        },
    }


def facts(stake: Stake, report: Report, clock: int, price: float | None) -> dict[str, Number]:
    """What every decision about a stake says."""
    return {
        "price": price,
        "entry": stake.entry,
        "entry_from": stake.entry_from,
        "size": stake.size,
        "reported": report.size,
        "profit": None if price is None else stake.profit(price),
        "profit_percent": None if price is None else stake.profit_percent(price),
        "peak": stake.peak,
        "highest_profit": stake.highest,
        "held_seconds": (clock - stake.opened) / SECOND,
    }


def trigger_facts(triggers: Sequence[Trigger]) -> dict[str, Number]:
    """Which rules triggered, the winner first, and what each was decided on."""
    numbers: dict[str, Number] = {"triggered": ", ".join(trigger.rule for trigger in triggers)}
    for trigger in triggers:
        numbers |= {f"{trigger.rule}.{name}": value for name, value in trigger.numbers.items()}
    return numbers
