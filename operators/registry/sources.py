"""Sources of an entry: known ones, with their times."""

from collections.abc import Mapping
from typing import Any, get_args

from operators.features import Feature, Source
from operators.registry.report import Field, shown

SOURCES = {*get_args(Source), "execution", "position_manager"}
PERPETUAL = {"ticker", "funding"}


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
