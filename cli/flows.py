"""The flows that can be run: what is known without importing any of them."""

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dataflows.recipe import Recipe


class Flow(StrEnum):
    """The flows that can be run."""

    features = "features"
    trading = "trading"


def recipe_of(flow: Flow) -> "Recipe":
    """The module of a flow."""
    return cast("Recipe", import_module(f"dataflows.{flow.value}"))
