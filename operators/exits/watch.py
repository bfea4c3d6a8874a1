"""All that the exits stage keeps of one symbol."""

from typing import Any

import msgspec

from operators.exits.pace import Pace
from operators.exits.report import Report
from operators.exits.stake import Stake
from operators.trading.holding import Holding


class Watch:
    """What strategies have at stake in a symbol (by name), and what the account reports of it.

    ``price`` and ``evaluated`` are what the rules saw last, and when. ``silent`` and ``mismatch`` (reported, held) are
    what was put on record and has not ended yet.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.report = Report()
        self.stakes: dict[str, Stake] = {}
        self.paces: dict[str, Pace] = {}
        self.price: float | None = None
        self.evaluated = 0
        self.silent = False
        self.mismatch: tuple[float, float] | None = None

    @property
    def held(self) -> float:
        """The sum of what strategies hold."""
        return sum(stake.size for stake in self.stakes.values())

    @property
    def since(self) -> int:
        """When the oldest stake was opened. There must be one."""
        return min(stake.opened for stake in self.stakes.values())

    def follow(self, strategy: str, holding: Holding | None) -> Stake | None:
        """Bring the stake of a strategy up to its holding; None when it holds nothing."""
        if holding is None or holding.size == 0:
            self.stakes.pop(strategy, None)
            return None
        stake = self.stakes.get(strategy)
        if stake is None or not stake.same(holding):
            stake = self.open(Stake(strategy, self.symbol, holding.size, holding.entry, holding.opened))
        stake.size, stake.entry = holding.size, holding.entry
        return stake

    def open(self, stake: Stake) -> Stake:
        """Watch a new stake. The next price is new to it, also where it is the last that the others saw."""
        self.stakes = dict(sorted({**self.stakes, stake.strategy: stake}.items()))
        self.price = None
        return stake

    def pace(self, strategy: str) -> Pace:
        """The pace of a strategy's exits."""
        found = self.paces.get(strategy)
        if found is None:
            found = self.paces[strategy] = Pace()
        return found

    def snapshot(self) -> Any:
        """The state as plain data."""
        plain = msgspec.structs.astuple
        return (
            self.symbol,
            plain(self.report),
            [plain(stake) for stake in self.stakes.values()],
            [(name, *plain(pace)) for name, pace in self.paces.items()],
            self.price,
            self.evaluated,
            self.silent,
            self.mismatch,
        )

    @classmethod
    def restore(cls, state: Any) -> "Watch":
        """The inverse of ``snapshot``."""
        symbol, report, stakes, paces, price, evaluated, silent, mismatch = state
        watch = cls(symbol)
        watch.report = Report(*report)
        watch.stakes = {stake.strategy: stake for stake in (Stake(*data) for data in stakes)}
        watch.paces = {name: Pace(*data) for name, *data in paces}
        watch.price, watch.evaluated, watch.silent = price, evaluated, silent
        watch.mismatch = None if mismatch is None else tuple(mismatch)
        return watch
