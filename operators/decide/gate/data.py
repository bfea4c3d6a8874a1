"""Fresh and sound market data."""

from operators.decide.case import Case, Verdict
from operators.spans import SECOND
from schemas.decision import Number


def data(case: Case) -> Verdict:
    """Stops without a price, on data older than ``data.max_age``, and on tainted vectors; warns from ``warn_age`` on.

    The age is that of the symbol's newest event or of the vector, whichever is older: after an outage the vectors of
    the time in between come all at once.
    """
    limits = case.strategy.data
    silence = case.quotes.age(case.symbol)
    if silence is None or case.quotes.price(case.symbol) is None:
        known = None if silence is None else silence / SECOND
        return Verdict({"age": known, "price": None}, f"no market data: {case.symbol} has no price yet")
    age = max(silence, case.clock - case.vector.ts) / SECOND
    warn = age >= limits.warn_age
    taint = list(dict.fromkeys([*case.vector.taint, *case.quotes.taint(case.symbol)]))
    tainted = case.vector.tainted or bool(taint)
    numbers: dict[str, Number] = {"age": age, "max_age": limits.max_age, "warn": warn, "tainted": tainted}
    if age > limits.max_age:
        return Verdict(numbers, f"no fresh market data: {age:.1f} s old, more than {limits.max_age:g} s")
    if tainted:
        channels = ", ".join(taint) or "unknown"
        return Verdict(numbers | {"taint": channels}, f"the market data are unsound: {channels}")
    return Verdict(numbers | {"price": case.price})
