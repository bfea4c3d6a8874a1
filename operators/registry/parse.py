"""From YAML to a checked registry."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import yaml

from operators.registry.entry import is_name, parse_entry
from operators.registry.model import Entry, Problem, Registry, RegistryError
from operators.registry.report import Report, as_text, shown

KEYS = {"version", "features", "description"}
UNREADABLE = (
    yaml.YAMLError,
    # What the YAML reader lets through when it makes numbers, dates and truth values of odd texts.
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)


def parse_registry(source: str | Mapping[str, Any], *, where: str = "registry") -> Registry:
    """Read and check a registry.

    Args:
        source: the text of a YAML file, or what was read from one.
        where: what to call it in messages, for instance the file's name.

    Raises:
        RegistryError: with every problem, each naming the feature and the field.

    >>> parse_registry("version: '1'\\nfeatures: []", where="empty.yaml").version
    Traceback (most recent call last):
        ...
    operators.registry.model.RegistryError: feature registry empty.yaml has 1 problem; ...
      features: must be a list with at least one feature, not []
    """
    report = Report()
    document = load(source, where)
    for key in sorted(as_text(key) for key in document if key not in KEYS):
        report.warning("", key, "unknown key, ignored")
    version = document.get("version")
    if not isinstance(version, str) or not version or not version.isprintable():
        report.error("", "version", f'must be a text such as "1.0.0", not {shown(version)}')
    entries = parse_entries(document.get("features"), report)
    if report.errors:
        raise RegistryError(where, report.errors)
    return Registry(str(version), in_order(entries), tuple(report.warnings))


def load(source: str | Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The mapping at the top of the file."""
    document: Any = source
    if isinstance(source, str):
        try:
            document = yaml.safe_load(source)
        except UNREADABLE as error:
            raise RegistryError(where, [Problem("", "", f"not readable as YAML: {error}")]) from error
    if not isinstance(document, Mapping):
        found = type(document).__name__
        raise RegistryError(where, [Problem("", "", f"must be a mapping with version and features, not {found}")])
    return document


def parse_entries(features: Any, report: Report) -> list[Entry]:
    """The entries that are right; what is wrong with the others goes to the report."""
    if not isinstance(features, list) or not features:
        report.error("", "features", f"must be a list with at least one feature, not {shown(features)}")
        return []
    parsed = [parse_entry(item, place, report) for place, item in enumerate(features, start=1)]
    names = Counter(item["name"] for item in features if isinstance(item, Mapping) and is_name(item.get("name")))
    for name, times in names.items():
        if times > 1:
            report.error(name, "name", f"stands {times} times in the file; names are unique")
    return [entry for entry in parsed if entry is not None]


def in_order(entries: list[Entry]) -> tuple[Entry, ...]:
    """By ``order``, then as the file has them; entries without ``order`` come last."""
    return tuple(sorted(entries, key=lambda entry: (entry.order is None, entry.order or 0)))
