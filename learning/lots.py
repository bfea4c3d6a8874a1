"""What became of each entry: executions attributed to the signals that opened a position."""

from typing import NamedTuple

from reports.trips import DUST, slippage
from schemas.account import Execution


class Closed(NamedTuple):
    """An entry of which nothing is held any more.

    ``size`` in base currency, ``entry`` and ``exit`` the mean prices; ``gross`` the profit before and ``net`` after
    fees, and ``slippage`` what entering cost more than the mid that the signal was made at, in quote currency. Times
    in microseconds UTC.
    """

    signal_id: str | None
    strategy: str
    symbol: str
    side: str
    opened: int
    closed: int
    size: float
    entry: float
    exit: float
    gross: float
    net: float
    slippage: float


class _Lot:
    """What one signal opened of a position, and what is left of it."""

    def __init__(self, first: Execution) -> None:
        self.first = first
        self.size = self.value = self.left = 0.0
        self.exited = self.gross = self.fees = self.slippage = 0.0

    def open(self, execution: Execution, size: float) -> None:
        self.size += size
        self.left += size
        self.value += size * execution.price
        self._pay(execution, size)
        self.slippage += (slippage(execution) or 0.0) * size / execution.size

    def close(self, execution: Execution, size: float) -> None:
        sign = 1 if self.first.side == "buy" else -1
        self.left -= size
        self.exited += size * execution.price
        self.gross += sign * size * (execution.price - self.value / self.size)
        self._pay(execution, size)

    def _pay(self, execution: Execution, size: float) -> None:
        self.fees += execution.fee * size / execution.size

    def done(self, last: Execution) -> Closed:
        first = self.first
        return Closed(
            first.signal_id,
            first.strategy,
            first.symbol,
            first.side,
            first.ts,
            last.ts,
            self.size,
            self.value / self.size,
            self.exited / self.size,
            self.gross,
            self.gross - self.fees,
            self.slippage,
        )


class Lots:
    """The open entries of every strategy and symbol.

    A closing execution, whole or in part, closes the same share of every entry of its position: the position has one
    mean price, so no part of it was opened by one signal more than by another. Each entry's profit is counted from its
    own entry price; together they are what the flow itself calls realized. An entry is done when the last of it is
    closed, so with its round trip. Fees are shared out by size.

    Opposite executions that the flow did not count as closing mean that it began with another account: what was open
    is forgotten.
    """

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], dict[str, _Lot]] = {}

    def feed(self, execution: Execution) -> list[Closed]:
        """Take the next execution of the flow; the entries that it closed, in the order in which they were opened."""
        lots = self.open.setdefault((execution.strategy, execution.symbol), {})
        closing = min(execution.closed, execution.size)
        opening = execution.size - closing
        done = self._close(lots, execution, closing) if closing > DUST else []
        if opening > DUST:
            if any(lot.first.side != execution.side for lot in lots.values()):
                lots.clear()
            name = execution.signal_id or f"order {execution.order_id}"
            lots.setdefault(name, _Lot(execution)).open(execution, opening)
        return done

    @staticmethod
    def _close(lots: dict[str, _Lot], execution: Execution, closing: float) -> list[Closed]:
        held = sum(lot.left for lot in lots.values())
        if held <= DUST:
            return []
        share = min(closing / held, 1.0)
        if held - closing < DUST:
            share = 1.0
        done = []
        for name, lot in list(lots.items()):
            lot.close(execution, lot.left * share)
            if lot.left < DUST:
                done.append(lots.pop(name).done(execution))
        return done
