"""From a REST snapshot to the deltas around it.

Binance sends the book as deltas only; the whole book comes over REST, a round trip later than the update that it
shows. So deltas that follow on a snapshot have often passed before it arrives:

    deltas   |--1--|--2--|--3--|            |--4--|
    snapshot          after update 2, arrives ^

The deltas are therefore held until the first snapshot, and those that reach beyond it follow right behind it, with the
receive time that they had.
"""

from collections import deque

from schemas.market import BookDelta, BookSnapshot

HELD = 256
"""The recordings need at most 25 (fastest stream, about three a 100 ms). Whoever sees more gets no snapshot soon."""


class Bridge:
    """One symbol's newest deltas.

    >>> delta = lambda first, u: BookDelta("X", 0, 0, u=u, prev=first - 1, first=first, bids=[], asks=[])
    >>> bridge = Bridge()
    >>> bridge.delta(delta(1, 5)), bridge.delta(delta(6, 9))
    ([], [])
    >>> [event.u for event in bridge.snapshot(BookSnapshot("X", 0, 0, u=7, bids=[], asks=[]))]
    [7, 9]
    >>> [event.u for event in bridge.delta(delta(10, 12))]
    [12]
    """

    def __init__(self) -> None:
        self.waiting = True
        self._recent: deque[BookDelta] = deque(maxlen=HELD)

    def delta(self, event: BookDelta) -> list[BookDelta]:
        """What to pass on now: nothing while a snapshot is awaited, all that was held once it is given up."""
        if not self.waiting:
            self._recent.append(event)
            return [event]
        if len(self._recent) < HELD:
            self._recent.append(event)
            return []
        self.waiting = False
        held = [*self._recent, event]
        self._recent.append(event)
        return held

    def snapshot(self, event: BookSnapshot) -> list[BookSnapshot | BookDelta]:
        """The snapshot and the deltas that have passed, or were held, and reach beyond it."""
        self.waiting = False
        return [event, *(delta for delta in self._recent if delta.u > event.u)]
