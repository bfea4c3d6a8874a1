"""An answer that is costly to find, kept for a moment: however often somebody asks, it is looked for now and then."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """What ``find`` said at most ``seconds`` ago. Who asks while it is looked for waits; what it raises is not kept.

    >>> answers = iter("ab")
    >>> kept = Kept(lambda: next(answers), seconds=60)
    >>> kept.get(), kept.get()
    ('a', 'a')
    """

    def __init__(self, find: Callable[[], T], seconds: float) -> None:
        self._find, self._seconds = find, seconds
        self._lock = Lock()
        self._found: tuple[float, T] | None = None

    def get(self) -> T:
        """The answer."""
        with self._lock:
            if self._found is None or time.monotonic() - self._found[0] > self._seconds:
                found = self._find()
                self._found = time.monotonic(), found
            return self._found[1]
