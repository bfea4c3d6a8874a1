"""One evaluation: everything that gates may look at, and what they answer."""

from dataclasses import dataclass
from functools import cached_property
from math import fsum, nextafter
from typing import NamedTuple

from operators.decide.memory import Memory
from operators.decide.plan import Plan
from operators.decide.predictor import Predictor
from operators.spans import SECOND
from operators.trading.account import Account, OpenOrder
from operators.trading.pair import split
from operators.trading.quotes import Quotes
from schemas.decision import Number
from schemas.market import Side
from schemas.signal import MarketSnapshot
from schemas.strategy import Strategy
from schemas.vector import FeatureVector


class Verdict(NamedTuple):
    """What a gate says: the numbers it looked at, why it stops (``skip``), or the plan as it goes on from here."""

    numbers: dict[str, Number]
    skip: str | None = None
    plan: Plan | None = None


@dataclass
class Case:
    """One strategy, one vector. Gates read it and change nothing; ``proposed`` moves on as they answer.

    Times are microseconds on the shard's clock, sizes base and amounts quote currency.
    """

    strategy: Strategy
    vector: FeatureVector
    quotes: Quotes
    account: Account
    memory: Memory
    version: str | None = None
    predictor: Predictor | None = None
    proposed: Plan | None = None

    @property
    def symbol(self) -> str:
        return self.vector.symbol

    @property
    def clock(self) -> int:
        return self.quotes.clock

    @property
    def plan(self) -> Plan:
        """What is proposed.

        Raises:
            ValueError: when no gate has proposed anything yet.
        """
        if self.proposed is None:
            raise ValueError("no gate has proposed anything yet")
        return self.proposed

    @cached_property
    def price(self) -> float:
        """The mid or the last trade's price.

        Raises:
            ValueError: when there is none; the gate ``data`` sees to it that nobody asks then.
        """
        price = self.quotes.price(self.symbol)
        if price is None:
            raise ValueError(f"{self.symbol} has no price")
        return price

    @cached_property
    def market(self) -> MarketSnapshot | None:
        """The market as the signal will show it, with the features that the plan is made of."""
        return self.quotes.market_snapshot(self.symbol, self.vector.features, self.plan.used)

    @cached_property
    def pair(self) -> tuple[str, str] | None:
        """The base and the quote coin of the symbol; None where nobody knows them."""
        return pair_of(self.symbol)

    @cached_property
    def own_orders(self) -> list[OpenOrder]:
        """What may still trade of this strategy's signals, and orders of which nobody knows whose they are."""
        patience = round(self.strategy.orders.patience * SECOND)
        orders = self.account.open_orders(self.symbol, self.clock, patience)
        return [order for order in orders if order.strategy in (self.strategy.strategy, "")]

    def coming(self, side: Side) -> float:
        """What the strategy's open orders of one side may still trade."""
        return fsum(max(0.0, order.quantity - order.filled) for order in self.own_orders if order.side == side)

    @cached_property
    def position(self) -> tuple[float, str]:
        """The account's signed position and how that is known: as the account reported it, else as our own executions
        say, else assumed to be flat."""
        reported = self.account.positions.get(self.symbol)
        if reported is not None:
            return reported.size, "account"
        held = [holding.size for (_, symbol), holding in self.account.holdings.items() if symbol == self.symbol]
        return (fsum(held), "executions") if held else (0.0, "assumed flat")

    @property
    def least(self) -> float:
        """The smallest amount that the plan may shrink to: entries respect the strategy's own minimum, too."""
        minimum = self.strategy.amount.minimum
        return minimum if self.plan.kind == "exit" else max(minimum, self.strategy.warmup.min_amount)

    def fresh_balance(self, coin: str) -> tuple[float | None, float | None]:
        """What is available of a coin and how many seconds old that is; (None, age) when too old to go by."""
        balance = self.account.available(coin, self.symbol)
        if balance is None:
            return None, None
        age = max(0, self.clock - balance.at) / SECOND
        return (balance.available if age <= self.strategy.balance.max_age else None), age


def pair_of(symbol: str) -> tuple[str, str] | None:
    """The base and the quote coin of a symbol, None where it ends in no known quote coin.

    >>> pair_of("SOLUSDT"), pair_of("SOLXYZ")
    (('SOL', 'USDT'), None)
    """
    try:
        return split(symbol)
    except ValueError:
        return None


def worth(size: float, price: float) -> float:
    """The largest amount in quote currency that buys no more than ``size``, also after the division is rounded."""
    amount = size * price
    while amount / price > size:
        amount = nextafter(amount, 0.0)
    return amount
