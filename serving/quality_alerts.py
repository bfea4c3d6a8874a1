"""Tells people, in the log of the API, when the data of a symbol exceed a limit, and when they no longer do."""

import structlog

from reports.quality.limits import Alert, Alerts, Limits
from schemas.quality import QualityMinute, QualityRecord

LOGGER = structlog.get_logger()


class QualityAlerts:
    """Fed with the minutes of the topic ``quality-minutes``, of each symbol by one thread.

    While it catches up with the past it learns what is the matter, and says nothing.
    """

    def __init__(self, limits: Limits) -> None:
        self._alerts = Alerts(limits)
        self.begun = 0
        """Alerts since the API started, for the metrics."""

    def add(self, minute: QualityMinute, live: bool) -> None:
        """One more minute."""
        begun, ended = self._alerts.add(minute)
        if not live:
            return
        self.begun += len(begun)
        for alert in begun:
            LOGGER.warning("quality.alert", **_fields(alert), advice=f"lockstep quality report {alert.symbol}")
        for alert in ended:
            LOGGER.info("quality.alert_over", **_fields(alert))

    def current(self) -> list[tuple[str, str, float]]:
        """(symbol, rate, value) over the last minutes of each symbol, for the metrics."""
        return self._alerts.current()

    def raised(self, now: int) -> list[Alert]:
        """What exceeds its limit at ``now`` (microseconds UTC)."""
        return self._alerts.raised(now)


GOOD_NEWS = frozenset({"book.synchronised", "channel.heard", "position.heard"})


def log_observation(record: QualityRecord) -> None:
    """One line for what went wrong with the data of a symbol, or is right again."""
    say = LOGGER.info if record.problem in GOOD_NEWS else LOGGER.warning
    origin = record.origin.header().decode()
    say("quality.observed", symbol=record.symbol, problem=record.problem, detail=record.detail, origin=origin)


def _fields(alert: Alert) -> dict[str, object]:
    return {"symbol": alert.symbol, "rate": alert.rate, "value": round(alert.value, 6), "limit": alert.limit}
