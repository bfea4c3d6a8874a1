"""Not too many signals."""

from operators.decide.case import Case, Verdict
from operators.spans import SECOND
from schemas.decision import Number


def rate(case: Case) -> Verdict:
    """Stops while the token bucket of the strategy and symbol is empty. A signal that goes out takes its token."""
    limits, bucket, clock = case.strategy.rate, case.memory.bucket, case.clock
    numbers: dict[str, Number] = {
        "tokens": bucket.tokens(clock),
        "per_minute": limits.per_minute,
        "burst": limits.burst,
    }
    if bucket.full(clock):
        return Verdict(numbers)
    wait = bucket.wait(clock) / SECOND
    limit = f"{limits.per_minute:g} signals a minute and {limits.burst} at once"
    return Verdict(numbers | {"wait": wait}, f"rate limit of {limit}: the next may go in {wait:.3g} s")
