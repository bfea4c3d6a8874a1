"""Normalisation: a fixed transformation of a value after it was computed."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from operators.registry.model import MinMax, Normalise, ZScore
from operators.registry.report import Field, shown


def parse_normalization(given: Any, field: Field) -> Normalise | None:
    """What to do with a value after it was computed; ``None`` for nothing."""
    if given is None:
        return None
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind not in ("none", "z_score", "min_max"):
        field.error("normalization", f"type must be z_score, min_max or none, not {shown(given)}")
        return None
    if kind == "none":
        return None
    low, high = ("mean", "std") if kind == "z_score" else ("min", "max")
    a, b = (number(given, key, field) for key in (low, high))
    if a is None or b is None:
        return None
    if kind == "z_score":
        if b <= 0:
            field.error("normalization", f"std must be greater than 0, not {shown(b)}")
        return ZScore(a, b)
    if b <= a:
        field.error("normalization", f"max must be greater than min, not {shown(b)} with min {shown(a)}")
    return MinMax(a, b)


def number(given: Mapping[Any, Any], key: str, field: Field) -> float | None:
    """A finite number under ``key``."""
    value = given.get(key)
    try:
        if not isinstance(value, bool) and isinstance(value, int | float) and isfinite(value):
            return float(value)
    except OverflowError:
        pass
    field.error("normalization", f"{key} must be a finite number, not {shown(value)}")
    return None
