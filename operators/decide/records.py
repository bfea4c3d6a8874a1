"""What an evaluation leaves on the log."""

from operators.decide.case import Case
from operators.decide.evaluate import Result
from operators.engine import Cursor
from schemas.decision import Decision, Number
from schemas.signal import TradingSignal


def skipped(case: Case, result: Result, cursor: Cursor) -> Decision:
    """The decision of an evaluation that a gate stopped."""
    plan, origin = result.plan, cursor.next()
    return Decision(
        strategy=case.strategy.strategy,
        symbol=case.symbol,
        ts=case.clock,
        kind="entry" if plan is None else plan.kind,
        outcome="skip",
        step=result.step,
        reason=result.reason,
        numbers=result.numbers,
        trace_id=str(origin.uuid("trace")),
        origin=origin,
        side=None if plan is None else plan.side,
        model_version=case.version if plan is None else plan.model_version,
        gates=result.passed,
    )


def signalled(case: Case, result: Result, cursor: Cursor) -> tuple[Decision, TradingSignal]:
    """The decision of an evaluation that passed every gate, and its signal; both have the decision's trace id.

    Raises:
        ValueError: when there is no plan or no price, which the gates have seen to.
    """
    plan, market = case.plan, case.market
    if market is None:
        raise ValueError(f"{case.symbol} has no price")
    first, second = cursor.next(), cursor.next()
    signal = TradingSignal(
        signal_id=str(second.uuid("signal")),
        strategy=case.strategy.strategy,
        symbol=case.symbol,
        ts=case.clock,
        side=plan.side,
        amount=plan.amount,
        confidence=plan.confidence,
        kind=plan.kind,
        is_warmup=plan.is_warmup,
        feature_registry_version=case.vector.feature_registry_version,
        snapshot=market,
        reason=plan.reason,
        trace_id=str(first.uuid("trace")),
        origin=second,
        model_version=plan.model_version,
        requested=plan.requested,
        urgent=plan.kind == "exit",
        rule=plan.rule,
        details=plan.details,
    )
    decision = Decision(
        strategy=signal.strategy,
        symbol=signal.symbol,
        ts=signal.ts,
        kind=plan.kind,
        outcome="signal",
        step=result.step,
        reason=result.reason,
        numbers=result.numbers,
        trace_id=signal.trace_id,
        origin=first,
        side=plan.side,
        signal_id=signal.signal_id,
        model_version=plan.model_version,
        gates=result.passed,
    )
    return decision, signal


def changed(
    strategy: str, symbol: str, step: str, reason: str, numbers: dict[str, Number], clock: int, cursor: Cursor
) -> Decision:
    """A change of mode, settings or selection."""
    origin = cursor.next()
    version = numbers.get("model_version")
    return Decision(
        strategy=strategy,
        symbol=symbol,
        ts=clock,
        kind="mode",
        outcome="changed",
        step=step,
        reason=reason,
        numbers=numbers,
        trace_id=str(origin.uuid("trace")),
        origin=origin,
        model_version=version if isinstance(version, str) else None,
    )


def silent(strategy: str, symbol: str, age: float, version: str | None, clock: int, cursor: Cursor) -> Decision:
    """A symbol has had no event for ``age`` seconds: no vectors come, and so no turns."""
    origin = cursor.next()
    return Decision(
        strategy=strategy,
        symbol=symbol,
        ts=clock,
        kind="entry",
        outcome="skip",
        step="data",
        reason=f"no fresh market data: nothing for {age:.1f} s, no decisions until something comes",
        numbers={"age": age, "warn": True},
        trace_id=str(origin.uuid("trace")),
        origin=origin,
        model_version=version,
    )
