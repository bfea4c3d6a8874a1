"""Plays frames at the speed of their own time, a multiple of it, or as fast as they are taken."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice

from connectors.frames import Frame

CHUNK = 512
"""Frames that are handed over at once."""


def wall_clock() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1000


async def paced(
    frames: Iterator[Frame],
    speed: float | None,
    anchor: tuple[int, int] | None = None,
    clock: Callable[[], int] = wall_clock,
) -> AsyncIterator[list[Frame]]:
    """The frames in batches, each as soon as it is due.

    Args:
        frames: in the order in which they were received.
        speed: seconds of the frames' time per second; None: as fast as possible.
        anchor: a time of the frames and the wall clock's time that belongs to it; by default the first frame is now.
        clock: the wall clock, microseconds UTC.

    Raises:
        ValueError: when ``speed`` is not above 0.
    """
    if speed is None:
        while chunk := list(islice(frames, CHUNK)):
            yield chunk
            await asyncio.sleep(0)
        return
    if speed <= 0:
        raise ValueError(f"speed must be above 0, not {speed}")
    batch: list[Frame] = []
    for frame in frames:
        anchor = anchor or (frame.recv, clock())
        due = anchor[1] + (frame.recv - anchor[0]) / speed
        if batch and (due > clock() or len(batch) >= CHUNK):
            yield batch
            batch = []
        while (wait := due - clock()) > 0:
            await asyncio.sleep(wait / 1e6)
        batch.append(frame)
    if batch:
        yield batch
