"""What the minutes of a period add up to."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from reports.quality.period import Span, holes, written
from schemas.market import Channel
from schemas.quality import ChannelMinute, QualityMinute

MOST = 50
"""The most single observations of a kind that a report lists."""
GAPS = frozenset({"gap", "candle.hole"})
"""Observations of something lost between two others."""
ANOMALIES = frozenset(
    {
        "trade.spike", "trade.volume", "candle.impossible", "book.crossed", "book.empty", "keyframe.mismatch",
        "clock.skew",
    }
)  # fmt: skip
"""Observations of what cannot be true."""


@dataclass
class Sums:
    """What a channel did over a period; ``silence`` in microseconds is the longest. ``pulse`` is what a minute of it
    should hold."""

    received: int = 0
    expected: int = 0
    missing: int = 0
    duplicates: int = 0
    late: int = 0
    gaps: int = 0
    anomalies: int = 0
    silence: int = 0
    pulse: int = 0

    def add(self, minute: ChannelMinute) -> None:
        """One more minute."""
        for name in ("received", "expected", "missing", "duplicates", "late", "gaps", "anomalies"):
            setattr(self, name, getattr(self, name) + getattr(minute, name))
        self.silence = max(self.silence, minute.silence)
        self.pulse = max(self.pulse, minute.expected)


@dataclass(frozen=True)
class Observation:
    """One quality record: ``ts`` in microseconds UTC."""

    ts: int
    problem: str
    detail: dict[str, Any]


@dataclass
class Report:
    """How good the data of ``symbol`` were in ``period``; shares are of 0..1, ``blind`` is in microseconds.

    A minute that nothing is known of counts as missing, by what a minute of the known ones should have held: data that
    were never collected are missing too. ``told`` counts observations by problem.
    """

    symbol: str
    period: Span
    minutes: int
    covered: int
    uncovered: list[Span]
    channels: dict[str, Sums]
    desynchronised: int = 0
    blind: int = 0
    skew: int = 0
    anomalies: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)

    @property
    def received(self) -> int:
        """Messages of all channels."""
        return sum(channel.received for channel in self.channels.values())

    @property
    def missing_rate(self) -> float:
        """1 - received / expected, of seconds in which book and ticker should be heard, and of candles."""
        unknown = self.minutes - self.covered
        pulse = sum(channel.pulse for channel in self.channels.values())
        expected = sum(channel.expected for channel in self.channels.values()) + unknown * pulse
        missing = sum(channel.missing for channel in self.channels.values()) + unknown * pulse
        return missing / expected if expected else unknown / self.minutes

    @property
    def anomaly_rate(self) -> float:
        """The share of messages that cannot be true."""
        found = sum(channel.anomalies for channel in self.channels.values())
        return min(1.0, found / self.received) if self.received else 0.0

    @property
    def sequence_gaps(self) -> int:
        """Breaks of update ids, missing candles, and what the collector lost."""
        return sum(channel.gaps for channel in self.channels.values())

    def anomaly_details(self) -> dict[str, Any]:
        """What cannot be true, by kind and by channel, and the newest of it one by one."""
        return {
            "by_kind": dict(sorted(self.anomalies.items())),
            "by_channel": {name: one.anomalies for name, one in self.channels.items() if one.anomalies},
            "duplicates": {name: one.duplicates for name, one in self.channels.items() if one.duplicates},
            "out_of_order": {name: one.late for name, one in self.channels.items() if one.late},
            "largest_skew_seconds": self.skew / 1e6,
            "newest": self._newest(ANOMALIES),
        }

    def gap_details(self) -> dict[str, Any]:
        """What is missing, by channel and by time."""
        return {
            "channels": {
                name: {
                    "received": one.received,
                    "expected": one.expected,
                    "missing": one.missing,
                    "gaps": one.gaps,
                    "longest_silence_seconds": one.silence / 1e6,
                }
                for name, one in self.channels.items()
            },
            "book_unknown_seconds": self.blind / 1e6,
            "minutes": self.minutes,
            "covered_minutes": self.covered,
            "uncovered": [
                {"from": written(span.start), "to": written(span.end), "minutes": span.minutes}
                for span in self.uncovered[-MOST:]
            ],
            "newest": self._newest(GAPS),
        }

    def _newest(self, problems: frozenset[str]) -> list[dict[str, Any]]:
        fitting = [one for one in self.observations if one.problem in problems]
        return [{"at": written(one.ts), "problem": one.problem, "detail": one.detail} for one in fitting[-MOST:]]


def summed(
    symbol: str,
    period: Span,
    minutes: Sequence[QualityMinute],
    observations: Iterable[Observation] = (),
    told: dict[str, int] | None = None,
) -> Report:
    """The report over ``minutes``, those of the symbol inside the period, and over what was told of it, both in the
    order of time; ``told`` counts the latter where not all of it is at hand."""
    seen = list(observations)
    report = Report(
        symbol,
        period,
        period.minutes,
        len(minutes),
        holes(period, [minute.ts for minute in minutes]),
        {},
        told=dict(sorted((Counter(one.problem for one in seen) if told is None else told).items())),
        observations=seen,
    )
    anomalies: Counter[str] = Counter()
    channels: dict[str, Sums] = {}
    for minute in minutes:
        for name, channel in minute.channels.items():
            channels.setdefault(name, Sums()).add(channel)
        anomalies.update(minute.anomalies)
        report.desynchronised += minute.desynchronised
        report.blind += minute.blind
        report.skew = max(report.skew, minute.skew, key=abs)
    report.anomalies = dict(sorted(anomalies.items()))
    report.channels.update((name, channels[name]) for name in get_args(Channel) if name in channels)
    return report
