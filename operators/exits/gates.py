"""Everything that may hold an exit back, in the order in which it is asked. The first that does names the decision."""

from collections.abc import Callable

from operators.exits.case import Case, Verdict
from operators.exits.report import SAME
from operators.spans import SECOND
from schemas.decision import Number


def position(case: Case) -> Verdict:
    """The position is confirmed open.

    An exit for one that is not could open the opposite: the order-manager drops ``reduceOnly`` when the exchange says
    that there is nothing to reduce (contracts: rabbitmq 6.2, step 12).
    """
    report, stake = case.report, case.stake
    numbers: dict[str, Number] = {
        "reported": report.size,
        "confirmed": report.confirmed,
        "claimed": case.claimed,
        "closable": case.closable,
    }
    if report.size is None:
        return Verdict(numbers, "position_unknown", "position unknown: the account has not reported one yet")
    if case.closable > SAME:
        return Verdict(numbers)
    if report.size * stake.size < -SAME:
        reason = f"the account's position of {report.size:.9g} is of the opposite side, nothing can be closed"
        return Verdict(numbers, "position_opposite", reason)
    if abs(report.confirmed) > SAME:
        return Verdict(numbers, "position_claimed", "exits of other strategies close all that the account has")
    if report.flat:
        return Verdict(numbers, "position_unconfirmed", "the account's last report says that there is no position")
    return Verdict(numbers, "position_unconfirmed", "more was closed since the account's last report than that had")


def cooldown(case: Case) -> Verdict:
    """The last exit signal is long enough ago."""
    seconds, last = case.settings.exits.cooldown, case.pace.last
    ago = None if last is None else (case.clock - last) / SECOND
    numbers: dict[str, Number] = {"seconds_since": ago, "cooldown": seconds}
    if not case.pace.rests(case.clock, seconds):
        return Verdict(numbers)
    return Verdict(numbers, "cooldown", f"the last exit signal was {ago:.1f} s ago, the cooldown is {seconds:g} s")


def rate(case: Case) -> Verdict:
    """Not too many exit signals."""
    per_minute = case.settings.exits.per_minute
    recent, most = case.pace.in_window(case.clock, per_minute)
    numbers: dict[str, Number] = {"recent": recent, "most": most, "per_minute": per_minute}
    if recent < most:
        return Verdict(numbers)
    return Verdict(numbers, "rate", f"{recent} exit signals in the window are the most for {per_minute:g} a minute")


def pending(case: Case) -> Verdict:
    """None of the strategy's exit orders may still trade."""
    own = [order for order in case.exits if order.strategy == case.stake.strategy]
    numbers: dict[str, Number] = {"open": len(own)}
    if not own:
        return Verdict(numbers)
    what = f"order {own[0].order_id}" if own[0].order_id else f"signal {own[0].signal_id}"
    return Verdict(numbers, "pending", f"exit {what} ({own[0].status}) may still trade")


def amount(case: Case) -> Verdict:
    """What is to be closed is enough for a signal."""
    least, value = case.settings.amount.minimum, case.closable * case.price
    numbers: dict[str, Number] = {"value": value, "minimum": least, "maximum": case.settings.amount.maximum}
    if case.closing is not None:
        return Verdict(numbers | {"amount": case.closing.amount, "closing": case.closing.size})
    return Verdict(numbers, "amount", f"what could be closed is worth {value:.2f}, below the smallest amount {least:g}")


GATES: tuple[tuple[str, Callable[[Case], Verdict]], ...] = (
    ("cooldown", cooldown),
    ("rate", rate),
    ("pending", pending),
    ("position", position),
    ("amount", amount),
)
