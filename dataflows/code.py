"""Which code decides: a digest of the sources that a result depends on."""

from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PARTS = ("schemas", "operators", "dataflows")


@cache
def code_digest(root: Path | None = None) -> str:
    """BLAKE2b over the names and bytes of the sources of the packages that make decisions."""
    root = root or Path(__file__).resolve().parents[1]
    state = blake2b(digest_size=8)
    for part in PARTS:
        for file in sorted((root / part).rglob("*.py")):
            state.update(f"{file.relative_to(root).as_posix()}\n".encode())
            state.update(file.read_bytes())
    return state.hexdigest()


def code_version() -> str:
    """The version of the installed package."""
    try:
        return version("lockstep")
    except PackageNotFoundError:
        return "unknown"
