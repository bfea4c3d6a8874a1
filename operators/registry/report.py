"""Problems as they are found, and values as messages show them."""

from typing import Any

from operators.registry.model import Problem

LONGEST = 80
"""Characters of a wrong value that a message shows."""


def shown(value: Any) -> str:
    """A value for a message: short, and never an error of its own.

    >>> shown("60s"), shown(16**5000)
    ("'60s'", 'int')
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return type(value).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def as_text(key: Any) -> str:
    """A key of a mapping as the file has it."""
    return key if isinstance(key, str) and key.isprintable() else shown(key)


class Report:
    """Errors refuse a registry, warnings do not."""

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []

    def error(self, feature: str, field: str, message: str) -> None:
        """Something that makes the registry invalid."""
        self.errors.append(Problem(feature, field, message))

    def warning(self, feature: str, field: str, message: str) -> None:
        """Something that is worth knowing."""
        self.warnings.append(Problem(feature, field, message))


class Field:
    """The report, bound to one feature: ``error(field, message)``."""

    def __init__(self, feature: str, report: Report) -> None:
        self.feature = feature
        self.report = report

    def error(self, field: str, message: str) -> None:
        """As ``Report.error``."""
        self.report.error(self.feature, field, message)

    def warning(self, field: str, message: str) -> None:
        """As ``Report.warning``."""
        self.report.warning(self.feature, field, message)
