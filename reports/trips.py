"""Round trips: from flat to flat, for each strategy and symbol, out of executions."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from schemas.account import Execution

DUST = 1e-9
"""Sizes below this, in base currency, are rounding errors."""


class RoundTrip(msgspec.Struct, frozen=True):
    """One position from its first execution to the one that closed it.

    Prices and sums in quote currency, sizes in base, times in microseconds UTC. ``size`` is all that was entered,
    ``entry`` and ``exit`` are the mean prices of what was entered and closed, ``gross`` is the profit of the closed
    part before and ``net`` after fees; ``slippage`` is what the executions cost more than the mids their signals were
    made at (negative: less). ``mae`` and ``mfe`` are the worst and best excursion of the price from ``entry`` while it
    was held, in per cent of it and never negative; None without prices. ``closed`` None: still open at the end.
    ``carried``: it was open before the first execution, so its beginning is not known.
    """

    strategy: str
    symbol: str
    side: Literal["long", "short"]
    opened: int
    closed: int | None
    size: float
    entry: float
    exit: float | None
    gross: float
    fees: float
    net: float
    slippage: float
    executions: int
    rule: str
    entry_signal: str | None
    exit_signal: str | None
    model_version: str | None
    is_warmup: bool
    carried: bool = False
    mae: float | None = None
    mfe: float | None = None

    @property
    def value(self) -> float:
        """What was entered, in quote currency."""
        return self.size * self.entry

    @property
    def held(self) -> float | None:
        """Seconds from the first execution to the last; None while open."""
        return None if self.closed is None else (self.closed - self.opened) / 1_000_000

    @property
    def percent(self) -> float | None:
        """Net profit in per cent of what was entered."""
        return self.net / self.value * 100 if self.value else None


def slippage(execution: Execution) -> float | None:
    """What an execution cost more than at the mid its signal was made at, in quote currency; None without a signal."""
    if execution.signal_price is None:
        return None
    worse = execution.price - execution.signal_price
    return execution.size * (worse if execution.side == "buy" else -worse)


def round_trips(executions: Iterable[Execution], rules: Mapping[str, str] | None = None) -> list[RoundTrip]:
    """Round trips in the order in which they were opened, those still open included.

    Args:
        executions: those of a strategy and symbol in the order in which they happened; of several in any mixture.
        rules: signal id -> the exit rule it closed by; a trip that an entry signal closed says ``reversed``.
    """
    open_trips: dict[tuple[str, str], _Trip] = {}
    done: list[_Trip] = []
    for execution in executions:
        key = execution.strategy, execution.symbol
        closing = min(execution.closed, execution.size)
        opening = execution.size - closing
        if closing > DUST:
            trip = open_trips.get(key) or _Trip.carried(execution)
            open_trips[key] = trip
            trip.close(execution, closing, rules or {})
            if trip.left < DUST or opening > DUST:
                done.append(open_trips.pop(key))
        if opening > DUST:
            if key not in open_trips:
                open_trips[key] = _Trip(execution)
            open_trips[key].open(execution, opening)
    found = [trip.finished() for trip in done] + [trip.unfinished() for trip in open_trips.values()]
    return sorted(found, key=lambda trip: (trip.opened, trip.symbol, trip.strategy))


class _Trip:
    """A round trip in the making."""

    def __init__(self, first: Execution) -> None:
        self.first = first
        self.last = first
        self.side: Literal["long", "short"] = "long" if first.side == "buy" else "short"
        self.entered = self.entered_value = 0.0
        self.exited = self.exited_value = 0.0
        self.gross = self.fees = self.slippage = 0.0
        self.executions = 0
        self.rule = ""
        self.exit_signal: str | None = None
        self.was_open = False

    @classmethod
    def carried(cls, closing: Execution) -> "_Trip":
        """The trip of a position that somebody opened before: what its profit says is all that is known of it."""
        trip = cls(closing)
        trip.side = "short" if closing.side == "buy" else "long"
        trip.was_open = True
        return trip

    @property
    def left(self) -> float:
        """What is still held; of a carried trip nobody knows, so any execution may be its last."""
        return self.entered - self.exited

    def open(self, execution: Execution, size: float) -> None:
        self.entered += size
        self.entered_value += size * execution.price
        self._count(execution, size)

    def close(self, execution: Execution, size: float, rules: Mapping[str, str]) -> None:
        if self.was_open:
            sign = 1 if self.side == "long" else -1
            self.entered += size
            self.entered_value += size * execution.price - sign * execution.realized
        self.exited += size
        self.exited_value += size * execution.price
        self.gross += execution.realized
        self.exit_signal = execution.signal_id
        self.rule = rules.get(execution.signal_id or "") or _other_rule(execution)
        self._count(execution, size)

    def finished(self) -> RoundTrip:
        return self._trip(self.last.ts, self.rule)

    def unfinished(self) -> RoundTrip:
        return self._trip(None, "open")

    def _count(self, execution: Execution, size: float) -> None:
        share = size / execution.size
        self.fees += execution.fee * share
        self.slippage += (slippage(execution) or 0.0) * share
        self.executions += 1
        self.last = execution

    def _trip(self, closed: int | None, rule: str) -> RoundTrip:
        first = self.first
        return RoundTrip(
            first.strategy,
            first.symbol,
            self.side,
            first.ts,
            closed,
            self.entered,
            self.entered_value / self.entered,
            self.exited_value / self.exited if self.exited else None,
            self.gross,
            self.fees,
            self.gross - self.fees,
            self.slippage,
            self.executions,
            rule,
            None if self.was_open else first.signal_id,
            self.exit_signal,
            first.model_version,
            first.is_warmup,
            self.was_open,
        )


def _other_rule(execution: Execution) -> str:
    if execution.signal_id is None:
        return "no signal"
    return "reversed" if execution.signal_kind == "entry" else "unknown"
