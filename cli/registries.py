"""The feature registries that come along, and the one that the settings name, by the version that they say they are."""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cli.context import REGISTRIES, Context, UserError

if TYPE_CHECKING:
    from operators.registry import Registry

VERSION = re.compile(r"""^version:\s*["']?([^"'\s#]+)""", re.MULTILINE)


def registry_of(context: Context, version: str) -> "Registry":
    """The registry of a version, checked.

    Raises:
        LookupError: where there is none, naming those that there are, or where it is refused.
    """
    from operators.registry import RegistryError, parse_registry  # a second, which not every verb need wait

    known = files(context)
    if version not in known:
        raise LookupError(f"feature registry {version} is not known; there are {', '.join(sorted(known))}")
    try:
        return parse_registry(known[version].read_text(encoding="utf-8"), where=str(known[version]))
    except RegistryError as error:
        raise LookupError(f"feature registry {version} is refused: {error}") from error


def files(context: Context) -> dict[str, Path]:
    """The files by version; the one that the settings name wins."""
    found = sorted(REGISTRIES.glob("*.yaml"))
    with suppress(UserError):
        found.append(context.registry_file())
    texts = {path: path.read_text(encoding="utf-8") for path in found}
    return {match[1]: path for path, text in texts.items() if (match := VERSION.search(text))}
