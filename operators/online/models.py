"""The seam between the engine and the files of batch models."""

from collections.abc import Mapping
from typing import Protocol

from schemas.learning import Target


class Unusable(ValueError):
    """A model cannot be used: its file is missing, damaged, another one, or does not fit. The message says which."""


class BatchModel(Protocol):
    """A trained model in memory: a pure function of a vector's features."""

    version: str
    features: tuple[str, ...]
    """What it looks at; all of them must be in the vector's registry."""
    feature_registry_version: str
    meanings: Mapping[str, str]
    """What its features are (``FeatureSet.meanings``); empty: not known, so that no other version will do."""
    target: Target

    def probabilities(self, features: Mapping[str, float | None]) -> dict[str, float]:
        """By class, ``"-1"``, ``"0"``, ``"1"``; a feature that is None is unknown to it.

        Raises:
            Unusable: where the vector lacks a feature, naming it.
        """
        ...


class Models(Protocol):
    """Finds model files by their hash, so that the same event always means the same model."""

    def open(self, version: str, sha256: str) -> BatchModel:
        """The model of a version.

        Raises:
            Unusable: when there is no such file with this hash, or it cannot be read.
        """
        ...


class NoModels:
    """Where nobody said where model files are."""

    def open(self, version: str, sha256: str) -> BatchModel:
        """There are none."""
        raise Unusable(f"model {version}: no folder of model files is set")


NO_MODELS = NoModels()
