"""The batch models in use, opened when they are first needed, and those that cannot be used."""

from collections.abc import Callable
from typing import Any

from operators.features.featureset import FeatureSet
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
        registry: the features of the newest vectors.
    """

    def __init__(self, models: Models, registry: Callable[[], FeatureSet]) -> None:
        self.models = models
        self.registry = registry
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
        registry = self.registry()
        version, meanings = registry.version, registry.meanings
        if model.feature_registry_version != version and not model.meanings:
            return (
                f"model {model.version} was trained on feature registry {model.feature_registry_version},"
                f" the flow computes {version}: train it again, or activate that registry"
            )
        if missing := [name for name in model.features if name not in meanings]:
            return f"model {model.version} needs features that registry {version} lacks: {', '.join(missing)}"
        changed = [name for name in model.features if model.meanings and model.meanings.get(name) != meanings[name]]
        if changed:
            return (
                f"model {model.version} was trained on feature registry {model.feature_registry_version}, and in"
                f" {version} another meaning has: {', '.join(changed)}; train it again, or activate that registry"
            )
        if target is not None and model.target != target:
            return f"model {model.version} foretells {model.target}, the strategy wants {target}: train it again"
        return ""
