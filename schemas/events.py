"""Every type of record on the ``events`` topic."""

from schemas.account import AccountConfigured, BalanceEvent, OrderEvent, PositionEvent
from schemas.market import AnyMarketEvent
from schemas.model import ModelActivated, ModelShadowed
from schemas.registry import RegistryActivated
from schemas.strategy import StrategyConfigured

Control = AccountConfigured | StrategyConfigured | ModelActivated | ModelShadowed | RegistryActivated
"""What concerns every symbol, and so stands in every shard."""
AnyEvent = AnyMarketEvent | OrderEvent | PositionEvent | BalanceEvent | Control
"""Readers treat an unknown type as a dead letter."""
