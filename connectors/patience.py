"""Waiting for a log that is away."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from connectors.log import LogUnavailable

PATIENCE = 600.0
"""Seconds for which a flow waits for a log that is away before it gives up."""

T = TypeVar("T")


def patiently(action: Callable[[], T], patience: float = PATIENCE) -> T:
    """Do it as soon as the log allows; give up, with the log's own message, after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    pause = 0.1
    while True:
        try:
            return action()
        except LogUnavailable as error:
            if time.monotonic() > deadline:
                raise
            structlog.get_logger().warning("log.away", error=str(error), retry_in=pause)
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
