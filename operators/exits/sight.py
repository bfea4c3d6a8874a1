"""What exit rules see of the market."""

from typing import Any, NamedTuple

from operators.trading.quotes import Quotes
from schemas.market import Trade


class Sight(NamedTuple):
    """A price in quote currency and how old the data behind it are (microseconds); None: there are none."""

    price: float | None
    age: int | None

    def fresh(self, most: float) -> bool:
        """Whether the price may be acted upon: not older than ``most`` microseconds."""
        return self.price is not None and self.age is not None and self.age <= most


class Sights:
    """Prices of symbols with their age.

    While a book is away the last trade counts, and then its own age does: a loss of the book must not pass for a fall
    back to the price of a trade of an hour ago.
    """

    def __init__(self, quotes: Quotes) -> None:
        self.quotes = quotes
        self.traded: dict[str, int] = {}

    def trade(self, event: Trade) -> None:
        """Remember when a symbol traded last."""
        if not event.backfilled:
            self.traded[event.symbol] = self.quotes.clock

    def of(self, symbol: str) -> Sight:
        """The price of a symbol now."""
        quotes = self.quotes
        price, age = quotes.price(symbol), quotes.age(symbol)
        if price is None or age is None or quotes.book(symbol) is not None:
            return Sight(price, age)
        traded = self.traded.get(symbol)
        return Sight(price, None if traded is None else max(age, quotes.clock - traded))

    def snapshot(self) -> Any:
        """The state as plain data."""
        return self.traded

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.traded = state
