"""What of a log's control events counts in a backtest."""

from typing import Any

from schemas.account import AccountConfigured
from schemas.model import ModelActivated, ModelShadowed
from schemas.registry import RegistryActivated
from schemas.strategy import StrategyConfigured

BY = "backtest"
"""Who configured the strategies, and activated the models, that a backtest brings along."""


class Admission:
    """Stands first: holds back what the backtest replaces.

    Nothing makes the account live. With ``own`` strategies those of the log do not count; with ``only``, no others do,
    nor their models. With ``own_models`` the log's activations and candidates of models do not count, with
    ``own_registry`` its activations of feature registries do not.
    """

    layout = 1
    takes = frozenset((AccountConfigured, StrategyConfigured, ModelActivated, ModelShadowed, RegistryActivated))

    def __init__(
        self,
        own: bool = False,
        only: frozenset[str] | None = None,
        own_models: bool = False,
        own_registry: bool = False,
    ) -> None:
        self.own = own
        self.only = only
        self.own_models = own_models
        self.own_registry = own_registry

    def feed(self, record: Any, out: list[Any]) -> None:
        """Pass on what counts."""
        if self.admits(record):
            out.append(record)

    def admits(self, record: Any) -> bool:
        """Whether a record counts."""
        kind = type(record)
        if kind is AccountConfigured:
            return bool(record.kind == "paper")
        if kind is StrategyConfigured:
            return self._wanted(record.settings.strategy) and (not self.own or record.by == BY)
        if kind in (ModelActivated, ModelShadowed):
            return self._wanted(record.strategy) and (not self.own_models or record.by == BY)
        return kind is not RegistryActivated or not self.own_registry

    def snapshot(self) -> Any:
        """There is no state."""
        return None

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""

    def _wanted(self, strategy: str) -> bool:
        return self.only is None or strategy in self.only
