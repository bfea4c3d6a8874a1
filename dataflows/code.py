"""Which code decides: a digest of the sources that a decision depends on."""

from importlib.metadata import PackageNotFoundError, version

from connectors import code

PARTS = ("schemas", "operators", "dataflows")


def code_digest() -> str:
    """BLAKE2b over the names and bytes of the sources of the packages that make decisions."""
    return code.code_digest(PARTS)


def code_version() -> str:
    """The version of the installed package."""
    try:
        return version("lockstep")
    except PackageNotFoundError:
        return "unknown"
