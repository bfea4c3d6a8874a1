"""The batch models in use, opened when they are first needed, and those that cannot be used."""

from typing import Any

from operators.online.learner import TROUBLE
from operators.online.models import BatchModel, Models, Unusable
from operators.trading.stage import InForce
from schemas.learning import Target
from schemas.model import ONLINE
from schemas.strategy import Strategy


class Shelf:
    """What is wrong with a model is found out when an event puts it in force, and stands from then on.

    So a file that comes or goes later changes nothing that was decided, until the next event; but a file that is gone
    when the flow starts again makes the model unusable then.

    Args:
        models: finds the files.
        version: of the feature registry.
        names: its features.
    """

    def __init__(self, models: Models, version: str, names: tuple[str, ...]) -> None:
        self.models = models
        self.version = version
        self.names = frozenset(names)
        self.refused: dict[tuple[str, str, str], str] = {}
        """Why not, by strategy, version and hash."""
        self._open: dict[InForce, BatchModel] = {}

    def check(self, strategy: Strategy | None, name: str, found: InForce) -> str:
        """Look at a model anew; why strategy ``name`` cannot use it, or nothing."""
        self._open.pop(found, None)
        problem = self._problem(strategy, found)
        self.mark(name, found, problem)
        return problem

    def mark(self, name: str, found: InForce, problem: str) -> None:
        """What is wrong with a model for a strategy from here on; empty: nothing."""
        self.refused.pop((name, *found), None)
        if problem:
            self.refused[name, *found] = problem

    def problem(self, name: str, found: InForce) -> str:
        """What is known to be wrong with a model."""
        return self.refused.get((name, *found), "")

    def model(self, found: InForce) -> BatchModel:
        """A model of which nothing wrong is known.

        Raises:
            Unusable: when it cannot be opened now.
        """
        model = self._open.get(found)
        if model is None:
            model = self._open[found] = self.models.open(*found)
        return model

    def keep(self, wanted: set[tuple[str, str, str]]) -> None:
        """Forget what is not in force any more; ``wanted`` by strategy, version and hash."""
        self.refused = {key: problem for key, problem in self.refused.items() if key in wanted}
        versions = {key[1:] for key in wanted}
        self._open = {found: model for found, model in self._open.items() if tuple(found) in versions}

    def snapshot(self) -> Any:
        """The state as plain data."""
        return [(*key, problem) for key, problem in self.refused.items()]

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.refused = {(name, version, sha256): problem for name, version, sha256, problem in state}
        self._open = {}

    def _problem(self, strategy: Strategy | None, found: InForce) -> str:
        if found.version == ONLINE:
            usable = strategy is None or strategy.learning.online.enabled
            return "" if usable else "learning.online.enabled is not set"
        try:
            model = self.model(found)
            return self._misfit(model, None if strategy is None else strategy.learning.target)
        except Unusable as error:
            return str(error)
        except TROUBLE as error:
            return f"{type(error).__name__}: {error}"

    def _misfit(self, model: BatchModel, target: Target | None) -> str:
        if model.feature_registry_version != self.version:
            return (
                f"model {model.version} was trained on feature registry {model.feature_registry_version},"
                f" the flow computes {self.version}: train it again, or set LOCKSTEP_REGISTRY"
            )
        if missing := [name for name in model.features if name not in self.names]:
            return f"model {model.version} needs features that registry {self.version} lacks: {', '.join(missing)}"
        if target is not None and model.target != target:
            return f"model {model.version} foretells {model.target}, the strategy wants {target}: train it again"
        return ""
