"""One entry of a registry: every field checked, every problem reported."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, get_args

from operators.features import FEATURES, FORMULAS, Feature, Source
from operators.registry.model import Entry, MinMax, Normalise, ZScore
from operators.registry.report import Report, as_text, shown
from operators.spans import DAY, format_span, parse_span

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
SOURCES = {*get_args(Source), "execution", "position_manager"}
PERPETUAL = {"ticker", "funding"}
REQUIRED = ("name", "input_sources", "lookback_window", "lookahead_forbidden", "data_sources")
OPTIONAL = ("max_lookback_days", "normalization", "order", "formula", "params", "description")


class Field:
    """The report, bound to one feature: ``error(field, message)``."""

    def __init__(self, feature: str, report: Report) -> None:
        self.feature = feature
        self.report = report

    def error(self, field: str, message: str) -> None:
        self.report.error(self.feature, field, message)

    def warning(self, field: str, message: str) -> None:
        self.report.warning(self.feature, field, message)


def parse_entry(item: Any, place: int, report: Report) -> Entry | None:
    """The entry at ``place`` (1 is the first); ``None`` where it is wrong beyond use."""
    if not isinstance(item, Mapping):
        report.error(f"feature {place}", "", f"must be a mapping, not {type(item).__name__}")
        return None
    name = item.get("name")
    named = is_name(name)
    field = Field(str(name) if named else f"feature {place}", report)
    check_keys(item, field)
    if "name" in item and not named:
        field.error("name", f"must be letters, digits and underscores, not {shown(name)}")
    feature = parse_feature(item, str(name), field) if named else None
    window = parse_window(item, feature, field)
    sources = parse_sources(item, feature, field)
    if "lookahead_forbidden" in item and item["lookahead_forbidden"] is not True:
        field.error(
            "lookahead_forbidden", f"must be true, not {shown(item['lookahead_forbidden'])}: no feature may look ahead"
        )
    normalise = parse_normalization(item.get("normalization"), field)
    order = item.get("order")
    if order is not None and not is_int(order):
        field.error("order", f"must be a whole number, not {shown(order)}")
    if feature is None or window is None or sources is None:
        return None
    return Entry(str(name), feature, sources, window, normalise, order if is_int(order) else None)


def check_keys(item: Mapping[Any, Any], field: Field) -> None:
    """Required keys are there; unknown ones are reported."""
    for key in REQUIRED:
        if key not in item:
            field.error(key, "is missing")
    for key in sorted(as_text(key) for key in item if key not in REQUIRED + OPTIONAL):
        field.warning(key, "unknown key, ignored")


def is_name(value: Any) -> bool:
    """A name that any language can use as a key."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def is_int(value: Any) -> bool:
    """A whole number of a sane size; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9


def parse_feature(item: Mapping[Any, Any], name: str, field: Field) -> Feature | None:
    """The feature of that name, or a formula under a new name."""
    formula = item.get("formula")
    if formula is None:
        if item.get("params") is not None:
            field.error("params", "needs a formula beside it")
        if name not in FEATURES:
            field.error("name", "no feature is called so; choose one of the catalogue, or name a formula")
        return FEATURES.get(name)
    if not isinstance(formula, str) or formula not in FORMULAS:
        field.error("formula", f"{shown(formula)} is no formula; there are {', '.join(sorted(FORMULAS))}")
        return None
    params = parse_params(item.get("params"), formula, field)
    return None if params is None else Feature(name, FORMULAS[formula], params)


def parse_params(params: Any, formula: str, field: Field) -> dict[str, int] | None:
    """Every parameter of the formula within its limits, and no other."""
    limits = FORMULAS[formula].limits
    given = {} if params is None else params
    if not isinstance(given, Mapping) or set(given) != set(limits):
        field.error("params", f"{formula} takes {{{', '.join(limits)}}}, not {shown(params)}")
        return None
    wrong = [
        f"{key} must be a whole number from {least} to {most}, not {shown(given[key])}"
        for key, (least, most) in limits.items()
        if not is_int(given[key]) or not least <= given[key] <= most
    ]
    for message in wrong:
        field.error("params", message)
    return None if wrong else {key: given[key] for key in limits}


def parse_window(item: Mapping[Any, Any], feature: Feature | None, field: Field) -> int | None:
    """The stated look-back: long enough for the formula, no longer than ``max_lookback_days`` allows."""
    days = item.get("max_lookback_days")
    if days is not None and (not is_int(days) or days < 0):
        field.error("max_lookback_days", f"must be a whole number of days, 0 or more, not {shown(days)}")
        days = None
    if "lookback_window" not in item:
        return None
    try:
        window = parse_span(item["lookback_window"])
    except (ValueError, TypeError):
        written = item["lookback_window"]
        field.error("lookback_window", f"{shown(written)} is not a whole number followed by s, m, h or d, such as 15s")
        return None
    if feature is not None and window < feature.window:
        needed, stated = format_span(feature.window), format_span(window)
        field.error("lookback_window", f"is {stated}, but the formula needs {needed}")
    if days is not None and window > days * DAY:
        field.error("lookback_window", f"is {format_span(window)}, longer than max_lookback_days ({days}) allows")
    return window


def parse_sources(item: Mapping[Any, Any], feature: Feature | None, field: Field) -> tuple[str, ...] | None:
    """Known sources, each of them in ``data_sources`` with ``timestamp_required``."""
    stamped = parse_data_sources(item.get("data_sources"), field) if "data_sources" in item else None
    if "input_sources" not in item:
        return None
    sources = item["input_sources"]
    if not isinstance(sources, list):
        field.error("input_sources", f"must be a list, not {shown(sources)}")
        return None
    known = [source for source in sources if isinstance(source, str) and source in SOURCES]
    for source in sources:
        if not isinstance(source, str) or source not in SOURCES:
            field.error("input_sources", f"{shown(source)} is no source; there are {', '.join(sorted(SOURCES))}")
        elif stamped is not None and source not in stamped:
            field.error("data_sources", f"must name {source} with timestamp_required: true")
    if feature is not None:
        warn_of_unnamed(set(feature.sources), set(known), field)
    return tuple(known)


def warn_of_unnamed(reads: set[Source], named: set[str], field: Field) -> None:
    """Sources that the formula reads, whatever the file says; ticker and funding stand in for each other."""
    missing = reads - named - (PERPETUAL if PERPETUAL & named else set())
    if missing:
        field.warning("input_sources", f"the formula also reads {', '.join(sorted(missing))}")


def parse_data_sources(listed: Any, field: Field) -> set[str] | None:
    """The sources whose times are required; ``None`` when the list itself is wrong."""
    if not isinstance(listed, list):
        field.error("data_sources", f"must be a list, not {shown(listed)}")
        return None
    stamped = set()
    for one in listed:
        source = one.get("source") if isinstance(one, Mapping) else None
        if not isinstance(source, str) or source not in SOURCES:
            field.error("data_sources", f"{shown(one)} names no source; there are {', '.join(sorted(SOURCES))}")
        elif one.get("timestamp_required") is True:
            stamped.add(source)
    return stamped


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
