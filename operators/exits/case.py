"""One exit that a rule asks for: everything that may hold it back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from operators.exits.closing import Closing, closing
from operators.exits.pace import Pace
from operators.exits.report import Report
from operators.exits.rule import Trigger
from operators.exits.stake import Stake
from operators.trading.account import OpenOrder
from schemas.decision import Number
from schemas.strategy import Strategy


class Verdict(NamedTuple):
    """What a gate says: the numbers it looked at and, where it holds the exit back, a short name and why."""

    numbers: dict[str, Number]
    step: str | None = None
    reason: str = ""


@dataclass
class Case:
    """A stake and the trigger that won. Gates read it and change nothing.

    ``find_orders`` gives the orders and signals of ours that may still trade a symbol.
    """

    settings: Strategy
    stake: Stake
    report: Report
    pace: Pace
    find_orders: Callable[[str], list[OpenOrder]]
    trigger: Trigger
    price: float
    clock: int

    @cached_property
    def exits(self) -> list[OpenOrder]:
        """Exit orders of the symbol that close the same side, of every strategy."""
        orders = self.find_orders(self.stake.symbol)
        return [order for order in orders if order.kind == "exit" and order.side == self.stake.closing_side]

    @cached_property
    def claimed(self) -> float:
        """What exits of other strategies will still take of the position, base."""
        others = [order for order in self.exits if order.strategy != self.stake.strategy]
        return sum(max(0.0, order.quantity - order.filled) for order in others)

    @cached_property
    def closable(self) -> float:
        """The most that may be closed, base: what the strategy holds, but no more than is confirmed open."""
        sign = 1 if self.stake.size > 0 else -1
        return min(abs(self.stake.size), max(0.0, sign * self.report.confirmed - self.claimed))

    @cached_property
    def closing(self) -> Closing | None:
        """What to close; None when it is too little for a signal."""
        held = abs(self.stake.size)
        return closing(self.closable, self.trigger.share, held, self.price, self.settings.amount)
