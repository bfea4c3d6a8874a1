"""Only the assets that the account can trade."""

from operators.decide.case import Case, Verdict
from operators.decide.selection import select
from schemas.decision import Number


def assets(case: Case) -> Verdict:
    """Stops a symbol that the automatic selection leaves out; with ``assets.select: fixed`` all take part."""
    settings = case.strategy.assets
    if settings.select == "fixed":
        return Verdict({"select": "fixed"})
    chosen = select(case.strategy, case.symbol, case.account, case.quotes)
    numbers: dict[str, Number] = {"select": "auto", "choice": chosen.choice, "why": chosen.reason, **chosen.numbers}
    return Verdict(numbers, None if chosen.takes_part else f"not selected: {chosen.reason}")
