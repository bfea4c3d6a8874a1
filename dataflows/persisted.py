"""What each record of a shard becomes in the tables."""

from collections.abc import Callable
from typing import Any

from connectors.postgres.account_rows import order_rows, position_rows, settings_rows
from connectors.postgres.columns import Row
from connectors.postgres.decision_rows import decision_rows
from connectors.postgres.execution_rows import execution_rows
from connectors.postgres.model_rows import activation_rows, change_rows
from connectors.postgres.position_state_rows import OpenPositions
from connectors.postgres.prediction_rows import prediction_rows
from connectors.postgres.quality_rows import minute_rows, quality_rows
from connectors.postgres.registry_rows import registry_rows
from connectors.postgres.signal_rows import signal_rows
from connectors.postgres.stored import Shard, Taken
from schemas.account import AccountConfigured, Execution, OrderEvent, PositionEvent
from schemas.codec import (
    UNREADABLE,
    decode_account,
    decode_decision,
    decode_event,
    decode_model_change,
    decode_prediction,
    decode_quality,
    decode_quality_minute,
    decode_signal,
)
from schemas.model import ModelActivated
from schemas.registry import RegistryActivated
from schemas.strategy import StrategyConfigured
from schemas.topics import ACCOUNT, DECISIONS, EVENTS, MODELS, PREDICTIONS, QUALITY, QUALITY_MINUTES, SIGNALS

UNFIT = (*UNREADABLE, ValueError, OverflowError)
"""What a record raises that cannot become a row."""
CONCERNS_US = (
    b'"order"', b'"position"', b'"account.configured"', b'"strategy.configured"', b'"model.activated"',
    b'"registry.activated"',
)  # fmt: skip
"""One of these is in every event that becomes a row: market data need not be decoded."""


class Rows:
    """The rows of one shard's records, fed in order, from where ``state`` was taken."""

    def __init__(self, shard: Shard, state: dict[str, Any]) -> None:
        self.shard = shard
        self._positions = OpenPositions(state.get("positions"))
        self._account: str | None = state.get("account")
        makers: dict[str, Callable[[int, bytes], list[Row]]] = {
            ACCOUNT.name: self._of_account,
            EVENTS.name: self._of_event,
            DECISIONS.name: lambda offset, value: decision_rows(decode_decision(value)),
            SIGNALS.name: lambda offset, value: signal_rows(decode_signal(value)),
            PREDICTIONS.name: lambda offset, value: prediction_rows(decode_prediction(value)),
            MODELS.name: lambda offset, value: change_rows(decode_model_change(value)),
            QUALITY.name: lambda offset, value: quality_rows(decode_quality(value)),
            QUALITY_MINUTES.name: lambda offset, value: minute_rows(decode_quality_minute(value)),
        }
        self._make = makers[shard[0]]

    def take(self, offset: int, value: bytes | None) -> Taken | None:
        """What a record becomes; None where it concerns no table."""
        try:
            rows = self._make(offset, value or b"")
        except UNFIT as error:
            return Taken(self.shard, offset, value, [], str(error) or type(error).__name__)
        return Taken(self.shard, offset, value, rows) if rows else None

    def state(self) -> dict[str, Any]:
        """What must be known to go on from here, as plain data."""
        found = {"positions": self._positions.state(), "account": self._account}
        return {name: value for name, value in found.items() if value}

    def _of_account(self, offset: int, value: bytes) -> list[Row]:
        """What the paper exchange did, and every execution."""
        record = decode_account(value)
        if isinstance(record, Execution):
            return execution_rows(record)
        place = f"account/{record.origin.header().decode() if record.origin else f'{self.shard[1]}/{offset}'}"
        if isinstance(record, OrderEvent):
            return order_rows(record, place)
        if isinstance(record, PositionEvent):
            return [*position_rows(record, place), *self._positions.feed(record)]
        return []

    def _of_event(self, offset: int, value: bytes) -> list[Row]:
        """What the bridge heard, settings, models in force. On a paper account the bridge's positions are not ours.

        What cannot be read became a dead letter of the flow that decides by it.
        """
        if not any(mark in value for mark in CONCERNS_US):
            return []
        try:
            record = decode_event(value)
        except UNREADABLE:
            return []
        place = f"events/{self.shard[1]}/{offset}"
        if isinstance(record, AccountConfigured):
            self._account = record.kind
        elif isinstance(record, StrategyConfigured) and self.shard[1] == 0:
            return settings_rows(record, place)
        elif isinstance(record, ModelActivated) and self.shard[1] == 0:
            return activation_rows(record)
        elif isinstance(record, RegistryActivated) and self.shard[1] == 0:
            return registry_rows(record)
        elif isinstance(record, OrderEvent) and record.origin is None:
            return order_rows(record, place)
        elif isinstance(record, PositionEvent) and record.origin is None:
            states = [] if self._account == "paper" else self._positions.feed(record)
            return [*position_rows(record, place), *states]
        return []
