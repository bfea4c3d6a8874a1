"""Base and quote coin of a symbol."""

QUOTES = ("USDT", "USDC", "BUSD", "USD", "EUR", "GBP", "BTC", "ETH", "BNB")
"""Coins that prices are quoted in, longest first: of two that fit, the longer one is meant."""
SHORTEST_BASE = 2


def split(symbol: str) -> tuple[str, str]:
    """The base and the quote coin of a symbol.

    >>> split("SOLUSDT"), split("ETHBTC"), split("BTCUSD")
    (('SOL', 'USDT'), ('ETH', 'BTC'), ('BTC', 'USD'))

    Raises:
        ValueError: when it ends with no known quote coin, or nothing but one.
    """
    for quote in QUOTES:
        base = symbol.removesuffix(quote)
        if base != symbol and len(base) >= SHORTEST_BASE:
            return base, quote
    raise ValueError(f"{symbol!r} is no pair of coins: it should end with one of {', '.join(QUOTES)}")
