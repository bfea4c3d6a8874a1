"""How much of a disk a folder takes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LONGEST = 5.0
"""Seconds for which a folder is walked at most."""


class Stored(NamedTuple):
    """Files below a folder and their bytes; ``problem`` says why that is not all."""

    size: int
    files: int
    problem: str | None = None


def stored(folder: Path, longest: float = LONGEST) -> Stored:
    """Count what is in a folder, links not followed. A folder that was not made yet holds nothing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     _ = Path(place, "a").write_bytes(b"12345")
    ...     stored(Path(place)), stored(Path(place, "nothing"))
    (Stored(size=5, files=1, problem=None), Stored(size=0, files=0, problem=None))
    """
    size = files = 0
    problems: list[str] = []
    deadline = time.monotonic() + longest
    for entry in _files(folder, problems):
        try:
            size += entry.stat(follow_symlinks=False).st_size
            files += 1
        except FileNotFoundError:
            continue  # it was removed while we looked
        except OSError as error:
            problems.append(str(error))
        if time.monotonic() > deadline:
            problems.append(f"{folder}: not counted to the end, it takes more than {longest:g} s")
            break
    return Stored(size, files, "; ".join(problems[:3]) or None)


def _files(folder: Path, problems: list[str]) -> Iterator["os.DirEntry[str]"]:
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield entry
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(str(error))
