"""Errors that end a flow, told where they are raised.

In a cluster Bytewax loses them: its network threads fail first, and it reports those, or aborts. Whoever runs a member
of one listens here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Listener = Callable[[Exception], object]

_listeners: list[Listener] = []


def fatal(method: Callable[P, R]) -> Callable[P, R]:
    """For a method that Bytewax calls: what it raises ends the flow (but for the end of a source)."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except StopIteration:
            raise
        except Exception as error:
            for listener in _listeners:
                listener(error)
            raise

    return call


@contextmanager
def told(listener: Listener) -> Iterator[None]:
    """While it lasts, ``listener`` is told of every fatal error in the thread that raised it.

    >>> @fatal
    ... def poll():
    ...     raise OSError("gone")
    >>> with told(print):
    ...     poll()
    Traceback (most recent call last):
    ...
    OSError: gone
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
