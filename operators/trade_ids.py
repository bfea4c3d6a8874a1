"""Which trades were seen already: venues repeat them after a reconnect."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from operators.spans import MINUTE

KEEP = 512
"""Trade ids that are remembered, for a minute at most."""


class TradeIds:
    """The newest trade ids of one symbol.

    >>> ids = TradeIds()
    >>> ids.new("a", 0), ids.new("a", 1), ids.new("a", MINUTE + 1)
    (True, False, True)
    """

    __slots__ = ("_order", "_seen")

    def __init__(self) -> None:
        self._order: deque[tuple[int, str]] = deque()
        self._seen: set[str] = set()

    def new(self, trade_id: str, clock: int) -> bool:
        """Whether this id was not seen within the last minute, nor among the last ``KEEP``."""
        order, seen = self._order, self._seen
        while order and (len(order) >= KEEP or order[0][0] <= clock - MINUTE):
            seen.discard(order.popleft()[1])
        if trade_id in seen:
            return False
        seen.add(trade_id)
        order.append((clock, trade_id))
        return True

    def snapshot(self) -> Any:
        """Times and ids, oldest first."""
        return list(self._order)

    @classmethod
    def restore(cls, data: Sequence) -> "TradeIds":
        """The inverse of ``snapshot``."""
        ids = cls()
        ids._order.extend((clock, trade_id) for clock, trade_id in data)
        ids._seen.update(trade_id for _, trade_id in data)
        return ids
