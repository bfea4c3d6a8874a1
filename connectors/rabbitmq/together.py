"""Tasks that belong together: when one ends, all of them do."""

import asyncio
from collections.abc import Sequence
from typing import Any


async def first_of(tasks: "Sequence[asyncio.Future[Any]]") -> None:
    """Return when the first task ends, with the others cancelled; raises what it raised."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
