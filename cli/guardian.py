"""Ends the children of a run when the run is gone.

Run as ``python -m cli.guardian STATE`` with a pipe from the run as standard input. ``bye`` dismisses it; an end of
input without it means that the run was killed.
"""

import sys
from pathlib import Path

from cli.processes import end_children


def guard(state: Path) -> list[int]:
    """Wait until the run says bye or is gone; returns the ids of the processes that were ended."""
    return [] if sys.stdin.read().strip() == "bye" else end_children(state)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
