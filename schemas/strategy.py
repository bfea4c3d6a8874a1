"""A strategy's settings, as they stand in config/strategies/*.yaml and, in force from there on, on the log.

Amounts are quote currency, sizes base currency, durations seconds, percents per cent (3.0 is 3 %). The defaults are
those of the origin system, except where its requirements say otherwise (contracts: settings 3.5-3.9 and 10).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from schemas.bounds import LARGEST, Text, Time
from schemas.learning import Learning
from schemas.market import Event

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0, lt=LARGEST)]
NotNegative = Annotated[float, Meta(ge=0, lt=LARGEST)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Symbol = Annotated[str, Meta(pattern=r"^[A-Z0-9]{4,20}$")]
Coin = Annotated[str, Meta(pattern=r"^[A-Z0-9]{2,10}$")]
StrategyId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A block of settings: unknown names are refused, so that a typing error cannot pass for a default."""


class Assets(_Part, frozen=True):
    """``auto`` picks, of the strategy's symbols, those whose coins the account holds; see ``operators/decide``."""

    select: Literal["fixed", "auto"] = "fixed"
    quotes: tuple[Coin, ...] = ("USDT", "USDC", "BUSD")
    min_balance: NotNegative = 10.0
    fallback: tuple[Symbol, ...] = ("BTCUSDT", "ETHUSDT")


class Warmup(_Part, frozen=True):
    """Signals without a model.

    ``frequency`` is decisions a minute and symbol; ``randomness`` 0 is heuristics only, 1 chance only; the weights are
    those of the two heuristics; scores below ``threshold`` are no reason to trade.
    """

    frequency: Annotated[float, Meta(gt=0, le=60)] = 1.0
    min_amount: NotNegative = 100.0
    max_amount: NotNegative = 1000.0
    randomness: Share = 0.5
    momentum: NotNegative = 1.0
    mean_reversion: NotNegative = 1.0
    threshold: Share = 0.1


class Rate(_Part, frozen=True):
    """A token bucket on log time, for each symbol of the strategy."""

    per_minute: Positive = 60.0
    burst: Annotated[int, Meta(ge=0, le=10_000)] = 10


class Orders(_Part, frozen=True):
    """Whether open orders of the symbol block a signal; one that nobody hears of is given up after ``patience``."""

    skip_if_open: bool = True
    opposite_only: bool = False
    patience: Seconds = 300.0


class Position(_Part, frozen=True):
    """``max_size`` is the largest position in base units; ``max_ratio`` the largest share of position in (position +
    available quote balance). ``sides``: ``both``, or ``long``/``short`` to never hold the other."""

    max_size: Positive = 2.0
    max_ratio: Share = 0.8
    sides: Literal["both", "long", "short"] = "both"


class Balance(_Part, frozen=True):
    """``margin`` is the usable share of the available balance; a balance older than ``max_age`` seconds is unknown."""

    check: bool = True
    margin: Annotated[float, Meta(gt=0, le=1)] = 0.95
    max_age: Seconds = 60.0
    market: Literal["linear", "spot"] = "linear"


class Data(_Part, frozen=True):
    """How old, in seconds, the newest market data may be: from ``warn_age`` on a decision says so."""

    max_age: Seconds = 60.0
    warn_age: Seconds = 30.0


class Amount(_Part, frozen=True):
    """The smallest and largest amount of any signal."""

    minimum: Positive = 10.0
    maximum: Positive = 100_000.0


class TakeProfit(_Part, frozen=True):
    """Above ``percent`` profit, or above ``absolute`` quote currency. With ``partial``, the first time only that many
    per cent of the position are closed."""

    enabled: bool = True
    percent: Positive = 3.0
    absolute: Positive | None = None
    partial: Annotated[float, Meta(gt=0, lt=100)] | None = None


class StopLoss(_Part, frozen=True):
    """Below ``percent`` (negative), or a loss beyond ``absolute`` quote currency."""

    enabled: bool = True
    percent: Annotated[float, Meta(lt=0, ge=-100)] = -2.0
    absolute: Positive | None = None


class TrailingStop(_Part, frozen=True):
    """Armed by ``activation`` per cent profit; triggers when the price is ``distance`` per cent away from its peak.

    With ``lock_in``, once armed it never lets the profit fall below that many per cent.
    """

    enabled: bool = False
    activation: Positive = 2.0
    distance: Positive = 1.0
    lock_in: NotNegative | None = None


class TimeExit(_Part, frozen=True):
    """Closes after ``max_hours``; after the first hour, at a profit of ``target`` * max(1 - held / max_hours, 0.1)."""

    enabled: bool = False
    max_hours: Positive = 24.0
    target: NotNegative = 1.0


class Exits(_Part, frozen=True):
    """Rules that close positions, and how often they may: ``cooldown`` and ``debounce`` are seconds."""

    enabled: bool = True
    cooldown: NotNegative = 60.0
    per_minute: Positive = 1.0
    debounce: NotNegative = 2.0
    silence: Seconds = 120.0
    take_profit: TakeProfit = field(default_factory=TakeProfit)
    stop_loss: StopLoss = field(default_factory=StopLoss)
    trailing: TrailingStop = field(default_factory=TrailingStop)
    time: TimeExit = field(default_factory=TimeExit)


class Strategy(_Part, frozen=True):
    """Everything that a strategy may decide by itself.

    ``mode``: ``warmup`` never uses a model; ``auto`` does as soon as one is active; ``exits`` makes no entries.
    ``confidence`` is the least confidence of a model's signal.
    """

    strategy: StrategyId
    symbols: Annotated[tuple[Symbol, ...], Meta(min_length=1, max_length=1000)]
    enabled: bool = True
    mode: Literal["warmup", "auto", "exits"] = "auto"
    about: Text = ""
    confidence: Share = 0.75
    assets: Assets = field(default_factory=Assets)
    warmup: Warmup = field(default_factory=Warmup)
    rate: Rate = field(default_factory=Rate)
    orders: Orders = field(default_factory=Orders)
    position: Position = field(default_factory=Position)
    balance: Balance = field(default_factory=Balance)
    data: Data = field(default_factory=Data)
    amount: Amount = field(default_factory=Amount)
    exits: Exits = field(default_factory=Exits)
    learning: Learning = field(default_factory=Learning)

    def __post_init__(self) -> None:
        for problem in self.contradictions():
            raise ValueError(problem)

    def contradictions(self) -> list[str]:
        """Settings that are each allowed and cannot be meant together."""
        found = []
        if self.warmup.max_amount < self.warmup.min_amount:
            found.append("warmup.max_amount is below warmup.min_amount")
        if self.warmup.momentum + self.warmup.mean_reversion == 0 and self.warmup.randomness == 0:
            found.append("warmup has neither a heuristic nor randomness: nothing would ever decide")
        if self.data.warn_age >= self.data.max_age:
            found.append("data.warn_age is not below data.max_age")
        if self.amount.maximum < self.amount.minimum:
            found.append("amount.maximum is below amount.minimum")
        trailing = self.exits.trailing
        if trailing.enabled and trailing.lock_in is not None and trailing.lock_in >= trailing.activation:
            found.append("exits.trailing.lock_in is not below activation: it would close the moment it is armed")
        if len(set(self.symbols)) < len(self.symbols):
            found.append("symbols names one twice")
        return found + self.learning.contradictions()


class StrategyConfigured(Event, frozen=True, gc=False, omit_defaults=True, tag="strategy.configured"):
    """A strategy's settings, in force from here on.

    Written to every shard. Disabled is how a strategy ends: its positions are still closed by its exit rules.
    """

    recv: Time
    settings: Strategy
    by: Text = ""
