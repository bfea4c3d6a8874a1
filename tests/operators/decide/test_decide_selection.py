"""Which symbols take part, by what the account holds."""

import pytest

from operators.decide.selection import select
from tests.operators.decide.chain import Chain, balance, book, configured, strategy, tick

PRICES = {"BTCUSDT": 50_000.0, "ETHUSDT": 2_000.0, "SOLUSDT": 100.0}


def choices(*balances, symbols=tuple(PRICES), priced=tuple(PRICES), **assets):
    """What becomes of each priced symbol."""
    settings = strategy(symbols=symbols, assets={"select": "auto"} | assets)
    chain = Chain()
    chain.feed(configured(settings), *(book(0, PRICES[symbol], symbol) for symbol in priced), *balances)
    return {symbol: select(settings, symbol, chain.accounts.account, chain.quotes).choice for symbol in priced}


@pytest.mark.req("MS-US-3.6", "TK-MS-16", "MS-FR-034")
def test_a_base_coin_of_enough_worth_takes_part():
    """0.01 BTC are 500, 0.006 ETH are 12, and there is no SOL."""
    found = choices(balance(1, "BTC", 0.01), balance(1, "ETH", 0.006))

    assert found == {"BTCUSDT": "base", "ETHUSDT": "base", "SOLUSDT": "left out"}


@pytest.mark.req("MS-US-3.6", "TK-MS-16", "MS-FR-034")
def test_the_quote_coin_enables_every_configured_pair():
    assert set(choices(balance(1, "USDT", 10.0)).values()) == {"quote"}


@pytest.mark.req("MS-US-3.7", "TK-MS-16", "MS-FR-034")
@pytest.mark.parametrize(("coins", "choice"), [(0.0002, "base"), (0.00019, "left out"), (0.0, "left out")])
def test_a_balance_that_is_too_small_leaves_its_pair_out(coins, choice):
    """10 USDT at 50000 are 0.0002 BTC."""
    assert choices(balance(1, "BTC", coins), balance(1, "ETH", 1.0))["BTCUSDT"] == choice


@pytest.mark.req("MS-US-3.7")
def test_a_quote_coin_that_does_not_count_enables_nothing():
    """Nothing here is priced in USDC, so nothing takes part, however rich the account is."""
    found = choices(balance(1, "USDT", 1e6), quotes=["USDC"])

    assert found == {"BTCUSDT": "fallback", "ETHUSDT": "fallback", "SOLUSDT": "not in fallback"}


@pytest.mark.req("MS-US-3.8", "TK-MS-16")
@pytest.mark.parametrize("held", [[], [balance(1, "USDT", 9.99)], [balance(1, "DOGE", 1e9)]])
def test_nothing_selected_falls_back_to_the_list(held):
    """Without a balance, with too small ones, and with coins that no symbol has."""
    found = choices(*held)

    assert found == {"BTCUSDT": "fallback", "ETHUSDT": "fallback", "SOLUSDT": "not in fallback"}
    assert choices(*held, fallback=["SOLUSDT"])["SOLUSDT"] == "fallback"


def test_a_coin_whose_price_another_shard_knows_keeps_the_selection_from_being_empty():
    """SOL lives elsewhere: what it is worth is not known here, but it is held."""
    found = choices(balance(1, "SOL", 5.0), priced=("BTCUSDT",))

    assert found == {"BTCUSDT": "left out"}


@pytest.mark.req("MS-US-3.8", "TK-MS-16")
def test_each_change_of_the_selection_is_told_once():
    """Turn by turn: fallback, fallback, selected, selected, left out (for BTC has to do without USDT)."""
    settings = strategy(
        symbols=("BTCUSDT", "ETHUSDT"), warmup={"frequency": 60}, assets={"select": "auto"}, balance={"check": False}
    )
    chain = Chain()
    chain.feed(configured(settings), book(0, 50_000.0), book(0, 2_000.0, "ETHUSDT"), tick(1), tick(2), tick(3))
    chain.feed(balance(3, "USDT", 500.0), tick(4), tick(5))
    chain.feed(balance(5, "USDT", 0.0), balance(5, "ETH", 1.0), tick(6), tick(7))
    told = [d for d in chain.modes if d.step == "assets" and d.symbol == "BTCUSDT"]

    assert [d.numbers["choice"] for d in told] == ["fallback", "quote", "left out"]
    assert told[0].reason == "asset selection: fallback, no balance is known: the fallback is BTCUSDT, ETHUSDT"
    last = [d for d in chain.decisions if d.symbol == "BTCUSDT"][-1]
    assert last.step == "assets"
    assert last.reason == "not selected: 0 BTC and 0 USDT are worth less than 10 USDT"
