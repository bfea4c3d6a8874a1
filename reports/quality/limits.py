"""Alerts: a rate of the last minutes that exceeds its limit, told when it does and when it no longer does."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from reports.quality.period import MINUTE
from schemas.quality import QualityMinute

WINDOW = 5
"""Minutes that a rate is taken over: one bad second is no reason to wake anybody."""


@dataclass(frozen=True)
class Limits:
    """What rates may be over ``WINDOW`` minutes of one symbol: shares of 0..1, and times that the book was lost."""

    missing_rate: float = 0.01
    anomaly_rate: float = 0.01
    desynchronisations: float = 3.0
    blind_rate: float = 0.02


class Alert(NamedTuple):
    """``rate`` of ``symbol`` is ``value``, more than ``limit``, since the minute that ended at ``since``."""

    symbol: str
    rate: str
    value: float
    limit: float
    since: int


class Alerts:
    """Fed with minutes, each symbol's in order; tells each alert once when it begins and once when it ends.

    >>> from schemas.origin import Origin
    >>> alerts = Alerts(Limits())
    >>> minute = QualityMinute("X", 9 * MINUTE, {}, Origin(0, 1, 0), desynchronised=4)
    >>> [(alert.rate, alert.value) for alert in alerts.add(minute).begun]
    [('desynchronisations', 4.0)]
    >>> [alert.rate for alert in alerts.raised(now=10 * MINUTE)], alerts.raised(now=20 * MINUTE)
    (['desynchronisations'], [])
    """

    class Change(NamedTuple):
        """What a minute changed."""

        begun: list[Alert]
        ended: list[Alert]

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._minutes: dict[str, deque[QualityMinute]] = {}
        self._raised: dict[tuple[str, str], Alert] = {}

    def add(self, minute: QualityMinute) -> Change:
        """One more minute."""
        kept = self._minutes.setdefault(minute.symbol, deque())
        kept.append(minute)
        while kept[0].ts <= minute.ts - WINDOW * MINUTE or kept[0].ts > minute.ts:
            kept.popleft()
        begun, ended = [], []
        for rate, value in rates(list(kept)):
            key, limit = (minute.symbol, rate), getattr(self.limits, rate)
            before = self._raised.get(key)
            if value > limit:
                since = before.since if before else minute.ts
                self._raised[key] = alert = Alert(minute.symbol, rate, value, limit, since)
                begun += [] if before else [alert]
            elif before:
                ended.append(self._raised.pop(key)._replace(value=value))
        return Alerts.Change(begun, ended)

    def current(self) -> list[tuple[str, str, float]]:
        """(symbol, rate, value) over the last minutes of each symbol."""
        found = sorted((symbol, list(kept)) for symbol, kept in self._minutes.copy().items())
        return [(symbol, rate, value) for symbol, minutes in found for rate, value in rates(minutes)]

    def raised(self, now: int) -> list[Alert]:
        """What exceeds its limit, by symbol and rate; a symbol without a minute lately has none (microseconds UTC)."""
        found = sorted(self._raised.copy().items())
        return [alert for (symbol, _), alert in found if self._minutes[symbol][-1].ts > now - WINDOW * MINUTE]


def rates(minutes: list[QualityMinute]) -> Iterator[tuple[str, float]]:
    """The rates that have a limit, over some minutes of one symbol."""
    channels = [channel for minute in minutes for channel in minute.channels.values()]
    expected, received = (sum(getattr(one, name) for one in channels) for name in ("expected", "received"))
    missing, anomalies = (sum(getattr(one, name) for one in channels) for name in ("missing", "anomalies"))
    yield "missing_rate", missing / expected if expected else 0.0
    yield "anomaly_rate", min(1.0, anomalies / received) if received else 0.0
    yield "desynchronisations", float(sum(minute.desynchronised for minute in minutes))
    yield "blind_rate", sum(minute.blind for minute in minutes) / (len(minutes) * MINUTE)
