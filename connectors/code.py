"""Which code made a result: a digest of the sources that it depends on."""

from functools import cache
from hashlib import blake2b
from pathlib import Path


@cache
def code_digest(parts: tuple[str, ...], root: Path | None = None) -> str:
    """BLAKE2b over the names and bytes of the sources of these packages."""
    root = root or Path(__file__).resolve().parents[1]
    state = blake2b(digest_size=8)
    for part in parts:
        for file in sorted((root / part).rglob("*.py")):
            state.update(f"{file.relative_to(root).as_posix()}\n".encode())
            state.update(file.read_bytes())
    return state.hexdigest()
