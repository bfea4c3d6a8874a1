"""Asks for rows until every point of a grid has its row, or until it is plain that the exchange has none."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from connectors.bybit.spans import Span, pages

CONFIRM = 3
"""So many rounds in a row must bring nothing new before a row counts as missing at the exchange."""

R = TypeVar("R")


class Ask(Protocol[R]):
    """Asks for the rows in a span; gives some of them by time, the newest ones if the exchange cuts the answer."""

    async def __call__(self, span: Span) -> dict[int, R]: ...


async def gather(
    wanted: Sequence[int],
    step: int,
    size: int,
    ask: Ask[R],
    doubt: Callable[[list[int], int], Awaitable[list[int]]],
    finest: int | None = None,
    start: int | None = None,
) -> tuple[dict[int, R], list[int]]:
    """The rows by time, and the wanted times (rising) that have none.

    A round asks for everything that is missing, page by page; what an answer leaves out, for whatever reason, is asked
    for again in the next one.

    Args:
        wanted: times at which there should be a row, rising multiples of ``step``.
        step: microseconds from one to the next.
        size: points of a page.
        ask: see there.
        doubt: called after each round that brought nothing new, with what is missing and the number of such rounds
            in a row; it takes its time and returns what is still worth asking for.
        finest: microseconds; no two rows are nearer to each other. By default ``step``.
        start: rows between here and the first wanted time are asked for as well.
    """
    found: dict[int, R] = {}
    missing, fruitless = list(wanted), 0
    while missing and fruitless < CONFIRM:
        before = len(found)
        for low, high in pages(missing, step, size):
            low = min(low, start) if start is not None and low == wanted[0] else low
            found |= await _downwards((low, high), ask, finest or step)
        left = [time for time in missing if time not in found]
        fruitless = fruitless + 1 if len(found) == before else 0
        missing = await doubt(left, fruitless) if left and fruitless else left
    return found, missing


async def _downwards(span: Span, ask: Ask[R], finest: int) -> dict[int, R]:
    """The rows of a span: the exchange answers newest first and may cut anywhere, so the rest lies below the oldest."""
    found: dict[int, R] = {}
    low, high = span
    while high - low >= finest:
        rows = await ask((low, high))
        if not rows:
            break
        found |= rows
        high = min(rows)
    return found
