"""Ends the processes it was told of when the one that told it is gone.

Run as ``python -m cli.guardian STATE`` with process ids, one a line, on standard input. ``bye`` dismisses it; an end of
input without it means that the parent was killed.
"""

import json
import sys
from pathlib import Path

import psutil

from cli.processes import end, identity


def guard(state: Path) -> int:
    """Read ids until the parent says bye or is gone; returns the number of processes ended."""
    known: list[dict[str, float]] = []
    for line in sys.stdin:
        word = line.strip()
        if word == "bye":
            return 0
        try:
            known.append(identity(int(word)))
        except psutil.NoSuchProcess:
            continue
        fresh = state.with_suffix(".new")
        fresh.write_text(json.dumps(known))
        fresh.rename(state)
    ended = end(known)
    state.unlink(missing_ok=True)
    return len(ended)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
