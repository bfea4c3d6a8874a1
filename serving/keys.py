"""The API key: given, or made once and kept for the user alone."""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path


def key_at(path: Path) -> tuple[str, bool]:
    """The key in a file that only its owner can read, and whether it was made just now.

    Programs that ask at once get the same key: it is written aside and appears whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.chmod(0o600)
        return path.read_text().strip(), False
    fresh = path.with_suffix(f".{os.getpid()}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"{secrets.token_urlsafe(32)}\n")
    try:
        os.link(fresh, path)
        made = True
    except FileExistsError:
        made = False
    fresh.unlink()
    return path.read_text().strip(), made


class Key:
    """Compares in a time that tells nothing about the key."""

    def __init__(self, key: str) -> None:
        self._digest = _digest(key)

    def fits(self, given: str | None) -> bool:
        """Whether ``given`` is the key."""
        return given is not None and hmac.compare_digest(_digest(given), self._digest)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
