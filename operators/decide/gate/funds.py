"""Only what the account can pay for."""

from math import fsum
from typing import NamedTuple

from operators.decide.case import Case, Verdict, worth
from schemas.decision import Number


class Need(NamedTuple):
    """``coin`` pays; ``free`` is the part of the order, in base currency, that needs no payment; ``price`` is what one
    base unit costs in that coin, and ``share`` how much of the balance may be used."""

    coin: str
    free: float
    price: float
    share: float


def balance(case: Case) -> Verdict:
    """Shrinks an order to what the balance allows, or stops where that is unknown, stale or too little.

    Linear contracts: margin is quote currency, for buys and for sells that open; a sell of what is held needs none.
    Spot: a buy is paid in quote currency, a sell in the coin itself. ``balance.margin`` of what is available may be
    used, for fees and slippage; a close may use all of the coin that it sells.
    """
    settings, plan = case.strategy.balance, case.plan
    if not settings.check:
        return Verdict({"checked": False})
    if case.pair is None:
        return Verdict({}, f"{case.symbol} ends in no known quote coin: nobody knows what pays for it")
    need, wanted = _need(case, *case.pair), plan.amount / case.price
    numbers: dict[str, Number] = {"coin": need.coin, "wanted": wanted, "free": need.free, "margin": need.share}
    if wanted <= need.free:
        return Verdict(numbers)
    available, age = case.fresh_balance(need.coin)
    numbers |= {"available": available, "age": age, "max_age": settings.max_age}
    if available is None:
        return Verdict(numbers, _unknown(need.coin, age, settings.max_age))
    reserved = _reserved(case, need)
    usable = max(0.0, available * need.share - reserved)
    most = need.free + usable / need.price
    numbers |= {"reserved": reserved, "usable": usable}
    if wanted <= most:
        return Verdict(numbers)
    amount = worth(most, case.price)
    numbers["adapted"] = amount
    if amount < case.least:
        enough = f"{usable:g} {need.coin} usable, enough for {amount:.2f}, less than {case.least:g}"
        return Verdict(numbers, f"balance too small: {enough}")
    return Verdict(numbers, plan=plan.shrunk(amount))


def _need(case: Case, base: str, quote: str) -> Need:
    plan, settings = case.plan, case.strategy.balance
    if settings.market == "spot" and plan.side == "sell":
        return Need(base, 0.0, 1.0, 1.0 if plan.kind == "exit" else settings.margin)
    held = case.position[0]
    closes = max(0.0, held) if plan.side == "sell" else 0.0
    if plan.kind == "exit" and settings.market == "linear":
        closes = abs(held)
    return Need(quote, closes, case.price, settings.margin)


def _reserved(case: Case, need: Need) -> float:
    """What the strategy's orders of this side may still take from the balance, as far as that cannot know of them."""
    known = case.account.available(need.coin, case.symbol)
    at = known.at if known is not None else 0
    coming = [order for order in case.own_orders if order.side == case.plan.side and order.at > at]
    return fsum(max(0.0, order.quantity - order.filled) * need.price for order in coming)


def _unknown(coin: str, age: float | None, max_age: float) -> str:
    if age is None:
        return f"the balance of {coin} is unknown"
    return f"the balance of {coin} is {age:.1f} s old, more than {max_age:g} s"
