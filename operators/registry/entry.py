"""One entry of a registry: every field checked, every problem reported."""

import re
from collections.abc import Mapping
from typing import Any

from operators.features import FEATURES, FORMULAS, Feature
from operators.registry.model import Entry
from operators.registry.normalise import parse_normalization
from operators.registry.report import Field, Report, as_text, shown
from operators.registry.sources import parse_sources
from operators.spans import DAY, format_span, parse_span

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
REQUIRED = ("name", "input_sources", "lookback_window", "lookahead_forbidden", "data_sources")
OPTIONAL = ("max_lookback_days", "normalization", "order", "formula", "params", "description")


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
    check_lookahead(item.get("lookahead_forbidden", True), field)
    normalise = parse_normalization(item.get("normalization"), field)
    order = parse_order(item.get("order"), field)
    if feature is None or window is None or sources is None:
        return None
    return Entry(str(name), feature, sources, window, normalise, order)


def check_keys(item: Mapping[Any, Any], field: Field) -> None:
    """Required keys are there; unknown ones are reported."""
    for key in REQUIRED:
        if key not in item:
            field.error(key, "is missing")
    for key in sorted(as_text(key) for key in item if key not in REQUIRED + OPTIONAL):
        field.warning(key, "unknown key, ignored")


def check_lookahead(forbidden: Any, field: Field) -> None:
    """It is forbidden, and the file says so."""
    if forbidden is not True:
        field.error("lookahead_forbidden", f"must be true, not {shown(forbidden)}: no feature may look ahead")


def parse_order(order: Any, field: Field) -> int | None:
    """The place in the order of calculation, where one is stated."""
    if order is None or is_int(order):
        return order
    field.error("order", f"must be a whole number, not {shown(order)}")
    return None


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
