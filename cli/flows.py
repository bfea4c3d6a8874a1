"""The flows that can be run: what is known without importing any of them."""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dataflows.recipe import Recipe


class Flow(StrEnum):
    """The flows that can be run."""

    features = "features"
    trading = "trading"


def recipe_of(flow: Flow, models: Path | None = None) -> "Recipe":
    """The recipe of a flow; ``models`` is the folder of model files."""
    if flow is Flow.features:
        return cast("Recipe", import_module("dataflows.features"))
    from dataflows.trading import Trading
    from operators.online.models import NO_MODELS

    if models is None:
        return Trading(NO_MODELS)
    from learning.files import ModelFiles

    return Trading(ModelFiles(models))
