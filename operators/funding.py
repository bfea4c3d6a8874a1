"""Funding of a perpetual: the rate in force, the next settlement, the last settlements."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, NamedTuple

from operators.spans import HOUR, MINUTE

INTERVAL = 8 * HOUR
"""Between two settlements, unless the venue says when the next one is."""

KEEP = 4
"""Settlements that are remembered."""

ESTIMATE_LIFE = HOUR
"""An estimate that was not repeated for so long is not in force any more."""

GRACE = 10 * MINUTE
"""A settlement may be reported so much late without breaking the row."""


class Estimate(NamedTuple):
    """A current rate (fraction per interval) as one message told it at ``at`` on the shard's clock."""

    rate: float
    next_funding: int | None
    at: int
    source: Literal["ticker", "funding"]


class FundingRates:
    """What one symbol's ticker and funding messages say; all times in microseconds UTC.

    Venues that send no settlements still have them: when the announced time passes, the rate heard last before it was
    paid.

    >>> rates = FundingRates()
    >>> rates.estimate(1 * HOUR, 0.0001, 8 * HOUR, "ticker")
    >>> rates.estimate(8 * HOUR - 1, 0.0002, 8 * HOUR, "ticker")
    >>> rates.estimate(8 * HOUR + 1, 0.0005, 16 * HOUR, "ticker")
    >>> rates.settled(8 * HOUR + 1, 1)
    [0.0002]
    """

    __slots__ = ("estimated", "rates", "times")

    def __init__(self) -> None:
        self.estimated: Estimate | None = None
        self.times: list[int] = []
        self.rates: list[float] = []

    def estimate(self, clock: int, rate: float, next_funding: int | None, source: Literal["ticker", "funding"]) -> None:
        """A message with the current rate, received at ``clock``."""
        paid = self._paid(clock)
        if paid is not None:
            self._insert(*paid)
        self.estimated = Estimate(rate, next_funding, clock, source)

    def settle(self, clock: int, ts: int, rate: float) -> None:
        """The venue's own word that ``rate`` was paid at ``ts``; it replaces what was derived for that minute."""
        if ts > clock + MINUTE:
            return
        minute = ts // MINUTE * MINUTE
        at = bisect_left(self.times, minute)
        if at < len(self.times) and self.times[at] == minute:
            self.rates[at] = rate
        else:
            self._insert(minute, rate)

    def lose(self) -> None:
        """Ticker or funding messages were lost: the rate in force is unknown until the next one."""
        self.estimated = None

    def _paid(self, t: int) -> tuple[int, float] | None:
        """The settlement that follows from the estimate having come due by ``t``, unless it is known already."""
        told = self.estimated
        if told is None or told.next_funding is None or told.next_funding > t:
            return None
        minute = told.next_funding // MINUTE * MINUTE
        if not told.next_funding - ESTIMATE_LIFE < told.at <= told.next_funding or minute in self.times:
            return None
        return minute, told.rate

    def _insert(self, minute: int, rate: float) -> None:
        at = bisect_left(self.times, minute)
        self.times.insert(at, minute)
        self.rates.insert(at, rate)
        del self.times[:-KEEP], self.rates[:-KEEP]

    def current(self, t: int) -> Estimate | None:
        """The rate in force at ``t``: the newest estimate, or the last settlement where a venue tells nothing else."""
        told = self.estimated
        if told is not None and told.at > t - ESTIMATE_LIFE:
            return told
        times, rates = self._known(t)
        if not times or times[-1] <= t - INTERVAL - GRACE:
            return None
        return Estimate(rates[-1], times[-1] + INTERVAL, times[-1], "funding")

    def settled(self, t: int, n: int) -> list[float] | None:
        """The last ``n`` settled rates at ``t``, oldest first; ``None`` when one of them is missing."""
        times, rates = self._known(t)
        if len(times) < n or times[-n] <= t - n * INTERVAL - GRACE:
            return None
        return rates[-n:]

    def _known(self, t: int) -> tuple[list[int], list[float]]:
        paid = self._paid(t)
        if paid is None:
            return self.times, self.rates
        at = bisect_left(self.times, paid[0])
        return (
            [*self.times[:at], paid[0], *self.times[at:]],
            [*self.rates[:at], paid[1], *self.rates[at:]],
        )

    def snapshot(self) -> list:
        """The estimate, then times and rates of the settlements."""
        return [None if self.estimated is None else list(self.estimated), self.times[:], self.rates[:]]

    @classmethod
    def restore(cls, data: Sequence) -> "FundingRates":
        """The state that gave this snapshot."""
        rates = cls()
        rates.estimated = None if data[0] is None else Estimate(*data[0])
        rates.times, rates.rates = list(data[1]), list(data[2])
        return rates
