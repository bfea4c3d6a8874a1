"""Whether a candidate takes over, and whether the champion must go.

Everything here is a pure function of the settings, the outcomes and the log's time. A change of mode needs a full
sample of outcomes since the last one, lies ``dwell_minutes`` behind it, and the two thresholds are ``margin`` apart: no
accuracy between them changes anything, in either direction.
"""

from typing import Literal, NamedTuple

from learning.governor.actions import short
from learning.governor.force import Held
from learning.governor.marks import Marks, accuracy, majority
from schemas.learning import Promotion

MINUTE = 60_000_000
SAFE = 1e-12
"""Differences of two accuracies below this are rounding errors."""
Verdict = Literal["wait", "promote", "dismiss", "ready"]


class Judged(NamedTuple):
    """What is to become of a candidate, and why. ``ready``: it has won, and waits for a person."""

    verdict: Verdict
    reason: str


class Trial(NamedTuple):
    """What a candidate did in shadow, beside a rival: the champion, or, where there is none, the majority class."""

    samples: int
    accuracy: float
    common: int
    own: float
    rival: float
    against: str


def trial(candidate: Marks, since: int, champion: Marks | None, name: str, symbol: str = "") -> Trial:
    """Compare a candidate with its rival on the outcomes that both have.

    Warm-up foretells nothing: its part is taken by who always says the most frequent label. So is that of a champion
    that has no outcomes, because it cannot be used.
    """
    marks = candidate.since(since, symbol)
    theirs = champion.since(since, symbol) if champion is not None else {}
    common = [place for place in marks if place in theirs]
    total = accuracy(marks.values())
    if not common:
        return Trial(len(marks), total, len(marks), total, majority(marks.values()), "the majority class (warm-up)")
    own = accuracy(marks[place] for place in common)
    return Trial(len(marks), total, len(common), own, accuracy(theirs[place] for place in common), name)


def judge(
    settings: Promotion, found: Trial, since: int, changed: int | None, now: int, tested: float | None = None
) -> Judged:
    """What becomes of a candidate.

    Args:
        settings: the thresholds.
        found: what it did in shadow.
        since: when that began.
        changed: when the champion changed last; None: never.
        now: the log's time.
        tested: its accuracy on the untouched test split, where it is known.
    """
    minutes = (now - since) / MINUTE
    if lacking := _lacking(settings, found, minutes, tested):
        if minutes >= settings.patience_minutes:
            return Judged("dismiss", short(f"not within {settings.patience_minutes:g} min: {lacking}"))
        return Judged("wait", lacking)
    told = "" if tested is None else f", {tested:.1%} on the test split"
    reason = short(
        f"{found.accuracy:.1%} right of {found.samples} in {minutes:.0f} min of shadow{told} (at least"
        f" {settings.accuracy:.1%}), against {found.rival:.1%} of {found.against} on {found.common} in common"
    )
    if not settings.automatic:
        return Judged("ready", reason)
    if changed is not None and now - changed < settings.dwell_minutes * MINUTE:
        return Judged("wait", f"the champion changed less than {settings.dwell_minutes:g} min ago")
    return Judged("promote", reason)


def _lacking(settings: Promotion, found: Trial, minutes: float, tested: float | None) -> str:
    """What a candidate still lacks; empty: nothing."""
    if minutes < settings.shadow_minutes:
        return f"{minutes:.0f} of {settings.shadow_minutes:g} min in shadow"
    if found.samples < settings.samples:
        return f"{found.samples} of {settings.samples} outcomes"
    if found.accuracy < settings.accuracy - SAFE:
        return f"{found.accuracy:.1%} right of {found.samples}, below {settings.accuracy:.1%}"
    if found.common < settings.samples:
        return f"{found.common} of {settings.samples} outcomes in common with {found.against}"
    if found.own <= found.rival + SAFE:
        return f"{found.own:.1%} right of {found.common}, not above the {found.rival:.1%} of {found.against}"
    if tested is not None and tested < settings.accuracy - SAFE:
        return f"{tested:.1%} right on the test split, below {settings.accuracy:.1%}"
    return ""


def falls(settings: Promotion, champion: Held, marks: Marks, changed: int, now: int, symbol: str = "") -> str:
    """Why the champion has to give way to warm-up; empty: it has not.

    Its last ``samples`` outcomes count, of those foretold since it is the champion.
    """
    if not settings.automatic or now - changed < settings.dwell_minutes * MINUTE:
        return ""
    newest = marks.last(settings.samples, champion.since, symbol)
    least = settings.accuracy - settings.margin
    reached = accuracy(newest)
    if len(newest) < settings.samples or reached >= least - SAFE:
        return ""
    return short(
        f"{champion.version} was right in {reached:.1%} of its last {len(newest)} outcomes, below {least:.1%}"
        f" ({settings.accuracy:.1%} less the margin of {settings.margin:.1%})"
    )
