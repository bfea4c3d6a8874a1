"""Sessions: one embedded log and its recovery state for each source of market data.

The demo exchange, the live exchange and a recording tell different stories about the same symbols, so each has a log of
its own under ``<home>/sessions``; ``<home>/session`` points at the one that the other verbs use.
"""

import re
import shutil
from pathlib import Path

FIRST = "main"


def current(home: Path) -> Path:
    """The folder of the session in use; the first one is made when there is none."""
    link = home / "session"
    return link.resolve() if link.exists() else choose(home, FIRST)


def choose(home: Path, name: str, *, fresh: bool = False) -> Path:
    """Make ``name`` the session in use; ``fresh`` empties it first."""
    folder = home / "sessions" / name
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    link = home / "session"
    new = home / "session.new"
    new.unlink(missing_ok=True)
    new.symlink_to(folder.relative_to(home))
    new.rename(link)
    return link.resolve()


def name_of(recording: str) -> str:
    """The session of a recorded file or folder; never one of the exchanges' own.

    >>> name_of("/data/bybit session.jsonl.gz"), name_of("bybit")
    ('recorded-bybit-session.jsonl.gz', 'recorded-bybit')
    """
    return "recorded-" + re.sub(r"[^A-Za-z0-9._-]+", "-", Path(recording).name).strip("-.")
