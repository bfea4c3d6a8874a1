"""When a process that runs for ever is asked to end."""

import signal
from threading import Event
from types import FrameType


def asked_to_stop() -> Event:
    """Set by the first SIGINT or SIGTERM from here on: what was begun is still finished."""
    stop = Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return stop
