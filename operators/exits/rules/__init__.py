"""The exit rules. A rule of your own is a class with ``name``, ``priority`` and ``evaluate``; add it to ``RULES``."""

from operators.exits.rule import Rule, in_order
from operators.exits.rules.stop_loss import StopLoss
from operators.exits.rules.take_profit import TakeProfit
from operators.exits.rules.time_based import TimeBased
from operators.exits.rules.trailing_stop import TrailingStop

RULES: tuple[Rule, ...] = in_order((StopLoss(), TrailingStop(), TakeProfit(), TimeBased()))
"""Highest priority first."""
