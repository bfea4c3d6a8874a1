"""The flows that can be run: what is known without importing any of them."""

from enum import StrEnum


class Flow(StrEnum):
    """The flows that can be run."""

    features = "features"
