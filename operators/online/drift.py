"""Notices when a model errs more or less often than it did."""

from typing import Any, NamedTuple

from operators.online.codec import freeze, thaw


class Change(NamedTuple):
    """The share of errors in the window of ADWIN before and behind a change, and how many outcomes it held."""

    before: float
    after: float
    held: int
    holds: int


class Drift:
    """ADWIN on the errors (0 or 1) of one model: a window that grows while they come from one distribution, and is cut
    where its two parts differ, surely by ``1 - delta`` (Bifet and Gavalda 2007; River's).
    """

    def __init__(self, delta: float) -> None:
        self.delta = delta
        self._adwin: Any = None

    def update(self, error: bool) -> Change | None:
        """One more outcome; what changed, if something did."""
        if self._adwin is None:
            from river.drift import ADWIN

            self._adwin = ADWIN(delta=self.delta)
        adwin = self._adwin
        before, held = adwin.estimation, adwin.width
        adwin.update(float(error))
        return Change(before, adwin.estimation, round(held), round(adwin.width)) if adwin.drift_detected else None

    def snapshot(self) -> Any:
        """The state as plain data."""
        return None if self._adwin is None else freeze(self._adwin)

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self._adwin = None if state is None else thaw(state)
