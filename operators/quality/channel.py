"""What one channel of one symbol did since the minute began, and when it was heard last."""

from typing import Any

from operators.spans import MINUTE, SECOND, second_of
from schemas.quality import ChannelMinute

NEVER = -1
PAUSE = 3 * SECOND
"""Silences up to this long are a market's own: Bybit sends an unchanged best level again after three seconds."""
AHEAD = -SECOND
BEHIND = 60 * SECOND
"""recv - ts outside of ``AHEAD``..``BEHIND``: one of the two clocks is wrong, or the message lay somewhere."""
SKEWED = 1
HEARD = 2
"""What ``hear`` may have to tell, as bits."""


class Channel:
    """Counts the messages of a channel, and the silences between them, on the shard's clock in microseconds.

    ``pulse`` says that something should come every second. A second without a message is missing when the silence that
    it lies in lasts for more than ``PAUSE``, as far as is known when the minute ends. ``stale`` is set from outside.

    >>> channel = Channel(pulse=True)
    >>> for second in (1, 2, 3, 9, 10):
    ...     _ = channel.hear(second * SECOND, second * SECOND, second * SECOND)
    >>> channel.minute(MINUTE)
    ChannelMinute(received=5, expected=60, missing=55, duplicates=0, late=0, gaps=0, anomalies=0, silence=50000000)
    """

    __slots__ = (
        "anomalies", "duplicates", "expected", "gaps", "high", "last", "late", "limit", "low", "missing", "pulse",
        "received", "silence", "since", "skew", "stale", "ts",
    )  # fmt: skip

    def __init__(self, pulse: bool) -> None:
        self.pulse = pulse
        self.last = self.since = self.ts = NEVER
        self.stale = False
        self._begin()

    def _begin(self) -> None:
        self.received = self.expected = self.missing = self.duplicates = self.late = self.gaps = self.anomalies = 0
        self.silence = self.limit = self.skew = self.low = self.high = 0

    def hear(self, clock: int, recv: int, ts: int) -> int:
        """A message that was received at ``recv`` and is of ``ts``, when the shard's clock stood at ``clock``.

        Returns bits: ``SKEWED`` where its two times do not go together, ``HEARD`` where the channel was stale.
        """
        self.received += 1
        news = 0
        if clock - self.last > self.limit:
            news = self._ended(clock)
        self.last = clock
        skew = recv - ts
        if not self.low <= skew <= self.high and self._far(skew):
            return news | SKEWED
        if ts < self.ts:
            self.late += 1
        else:
            self.ts = ts
        return news

    def forget(self) -> None:
        """The channel was not heard of for so long that nothing is expected of it any more."""
        self.last = self.since = self.ts = NEVER
        self.stale = False

    @property
    def known(self) -> bool:
        """Whether it was heard of lately, so that more may be expected."""
        return self.last != NEVER

    def minute(self, end: int) -> ChannelMinute:
        """What it did in the minute up to ``end``; the next one begins."""
        if self.known:
            self.silence = max(self.silence, end - self.last)
            if self.pulse:
                self.expected = min(60, end // SECOND - second_of(self.since) + 1)
                self._miss(end - self.last, self.last, end + 1, end - MINUTE)
        counts = ChannelMinute(
            self.received,
            self.expected,
            self.missing,
            self.duplicates,
            self.late,
            self.gaps,
            self.anomalies,
            self.silence,
        )
        self._begin()
        return counts

    def snapshot(self) -> list[Any]:
        """The state as plain data."""
        return [getattr(self, name) for name in PLAIN]

    def restore(self, state: list[Any]) -> None:
        """The inverse of ``snapshot``."""
        for name, value in zip(PLAIN, state, strict=True):
            setattr(self, name, value)

    def _ended(self, clock: int) -> int:
        """A silence ended that is longer than any of this minute, or longer than a second."""
        if self.last == NEVER:
            self.since = clock
            return 0
        silence = clock - self.last
        self.silence = max(self.silence, silence)
        self.limit = min(self.silence, SECOND)
        if self.pulse:
            self._miss(silence, self.last, clock, (second_of(clock) - 1) // 60 * MINUTE)
        news = HEARD if self.stale else 0
        self.stale = False
        return news

    def _miss(self, silence: int, last: int, until: int, begin: int) -> None:
        """Count the whole seconds after ``begin`` that lie between the ones of ``last`` and of ``until``."""
        if silence > PAUSE:
            self.missing += max(0, second_of(until) - max(second_of(last), begin // SECOND) - 1)

    def _far(self, skew: int) -> bool:
        """Remember the furthest the two times were apart, and say whether that is too far."""
        if abs(skew) > abs(self.skew):
            self.skew = skew
            self.low, self.high = max(-abs(skew), AHEAD), min(abs(skew), BEHIND)
        return not AHEAD <= skew <= BEHIND


PLAIN = tuple(name for name in Channel.__slots__ if name != "pulse")
