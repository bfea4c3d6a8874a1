"""Which of a strategy's symbols take part, by what the account holds."""

from typing import Literal, NamedTuple

from operators.decide.case import pair_of
from operators.trading.account import Account
from operators.trading.quotes import Quotes
from schemas.decision import Number
from schemas.strategy import Strategy

Choice = Literal["base", "quote", "left out", "fallback", "not in fallback"]


class Selection(NamedTuple):
    """What became of one symbol, and why."""

    choice: Choice
    reason: str
    numbers: dict[str, Number]

    @property
    def takes_part(self) -> bool:
        return self.choice in ("base", "quote", "fallback")


def select(strategy: Strategy, symbol: str, account: Account, quotes: Quotes) -> Selection:
    """The automatic choice for one symbol of a strategy.

    A symbol takes part if its base coin or its quote coin, which buys every configured pair, is worth at least
    ``assets.min_balance`` quote currency; quote coins outside ``assets.quotes`` do not count. If that is so for none of
    the strategy's symbols, or no balance is known, those in ``assets.fallback`` do.
    """
    if not account.balances:
        return _fallback(strategy, symbol, "no balance is known")
    chosen = _judge(strategy, symbol, account, quotes)
    if chosen.takes_part:
        return chosen
    if any(_may_take_part(strategy, other, account, quotes) for other in strategy.symbols if other != symbol):
        return chosen
    return _fallback(strategy, symbol, f"no coin of any symbol is worth {strategy.assets.min_balance:g}")


def _judge(strategy: Strategy, symbol: str, account: Account, quotes: Quotes) -> Selection:
    settings = strategy.assets
    pair = pair_of(symbol)
    if pair is None or pair[1] not in settings.quotes:
        return Selection("left out", f"{symbol} is not priced in {', '.join(settings.quotes)}", {})
    base_coin, quote_coin = pair
    base, quote = (_held(account, coin, symbol) for coin in pair)
    price = quotes.price(symbol)
    value = base * price if price is not None else None
    numbers: dict[str, Number] = {"base_worth": value, "quote_balance": quote, "min_balance": settings.min_balance}
    if value is not None and value >= settings.min_balance and base > 0:
        return Selection("base", f"{base:g} {base_coin} are worth {value:.2f} {quote_coin}", numbers)
    if quote >= settings.min_balance and quote > 0:
        return Selection("quote", f"{quote:.2f} {quote_coin} can buy", numbers)
    few = f"{base:g} {base_coin} and {quote:g} {quote_coin}"
    return Selection("left out", f"{few} are worth less than {settings.min_balance:g} {quote_coin}", numbers)


def _may_take_part(strategy: Strategy, symbol: str, account: Account, quotes: Quotes) -> bool:
    """As ``_judge``; a symbol without a price here lives in another shard, which knows better: any balance will do."""
    if _judge(strategy, symbol, account, quotes).takes_part:
        return True
    pair = pair_of(symbol)
    if pair is None or pair[1] not in strategy.assets.quotes or quotes.price(symbol) is not None:
        return False
    return _held(account, pair[0], symbol) > 0


def _held(account: Account, coin: str, symbol: str) -> float:
    balance = account.available(coin, symbol)
    return 0.0 if balance is None else balance.wallet


def _fallback(strategy: Strategy, symbol: str, why: str) -> Selection:
    named = ", ".join(strategy.assets.fallback) or "nothing"
    choice: Choice = "fallback" if symbol in strategy.assets.fallback else "not in fallback"
    return Selection(choice, f"{why}: the fallback is {named}", {"fallback": True})
