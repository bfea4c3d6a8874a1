"""The paper exchange against a second implementation, over random markets."""

import msgspec
import pytest

from schemas.account import OrderEvent
from schemas.market import Trade
from tests.operators.paper.chain import random_script
from tests.operators.paper.oracle import Oracle
from tests.operators.paper.random_market import market
from tests.operators.paper.recorder import RecordingChain
from tests.streams import stream

SYMBOLS = ("AAAUSDT", "BBBUSDC")


def near(value):
    return None if value is None else pytest.approx(float(value), rel=1e-9, abs=1e-9)


def compare(chain: RecordingChain) -> set[tuple]:
    """Hold every order event and the ledgers to the oracle; returns which (status, maker) there were."""
    oracle = Oracle(chain.rows, chain.signals())
    expected = oracle.replay()
    orders = chain.records(OrderEvent)

    for found, want in zip(orders, expected, strict=False):
        offset, signal, status, quantity, price, filled, average, fees = want
        assert (found.origin.offset, found.signal_id, found.status) == (offset, signal, status)
        assert (found.quantity, found.price) == (near(quantity), near(price))
        assert (found.filled, found.average_price, found.fees) == (near(filled), near(average), near(fees))
    assert len(orders) == len(expected)
    for symbol, account in oracle.accounts.items():
        ledger = chain.ledger(symbol)
        assert ledger.holding.size == near(account["size"])
        assert ledger.holding.entry == near(account["entry"])
        assert (ledger.funding, ledger.wallet) == (near(account["funding"]), near(oracle.wallet(account)))
    return {(event.status, event.maker) for event in orders}


@pytest.mark.parametrize("seed", range(12))
def test_every_order_event_is_that_of_the_oracle(seed):
    """Thin books, holes, silences, changing terms, funding, signals that cannot be served."""
    chain = RecordingChain(random_script(seed, SYMBOLS, chance=0.06))
    chain.feed(*market(seed, 900, SYMBOLS))

    assert compare(chain)


def test_the_random_markets_reach_every_kind_of_end():
    """Otherwise the comparison would prove little."""
    kinds, reasons = set(), set()
    for seed in range(12):
        chain = RecordingChain(random_script(seed, SYMBOLS, chance=0.06))
        chain.feed(*market(seed, 500, SYMBOLS))
        kinds |= {(event.status, event.maker) for event in chain.records(OrderEvent)}
        reasons |= {event.reason.split(":")[0].split(" ")[0] for event in chain.records(OrderEvent)}

    assert kinds >= {
        (status, maker) for status in ("partially_filled", "filled", "cancelled") for maker in (True, False)
    }
    assert {"reduced", "insufficient", "reduce-only", "too", "the", "replaced", "post-only", "waits"} <= reasons


@pytest.mark.parametrize("seed", range(3))
def test_a_plausible_market_agrees_too(seed):
    """The streams that every other part is tested with, their trades on whole prices."""
    chain = RecordingChain(random_script(seed, ("AAA", "BBB"), chance=0.3))
    events = [
        msgspec.structs.replace(event, price=float(round(event.price))) if isinstance(event, Trade) else event
        for event in stream(seed, 400)
    ]
    chain.feed(events[0], market(seed, 2)[1], *events[1:])

    compare(chain)
