"""The paper exchange among the other stages: when its events are seen, wrong times, and a beginning in the middle."""

import msgspec

from operators.engine import Beginning, Engine, pack
from operators.spans import SECOND
from schemas.account import AccountConfigured, BalanceEvent, OrderEvent
from schemas.codec import encode
from schemas.market import BookSnapshot, Tick, Trade
from schemas.origin import Origin
from schemas.vector import FeatureVector
from tests.operators.paper.chain import Chain, random_script
from tests.streams import START, stream

X = "SOLUSDT"
TERMS = AccountConfigured(START, "paper", latency=50_000, order_life=20 * SECOND)


def book(now: int, u: int = 1, ask: float = 101.0) -> BookSnapshot:
    return BookSnapshot(X, now, now, u, [(99.0, 5.0)], [(ask, 5.0)])


def buy_at_first(now: int):
    """One urgent buy at the tick of ``now``."""

    def script(chain, record):
        due = isinstance(record, Tick) and record.recv == now
        return [{"symbol": X, "side": "buy", "amount": 200.0, "urgent": True}] if due else []

    return script


def test_a_fill_is_known_before_the_event_that_caused_it():
    """Who decides on that event knows the position and the balance that it leaves."""
    seen = []
    buy = buy_at_first(START + SECOND)

    def script(chain, record):
        if isinstance(record, BookSnapshot):
            positions, balance = chain.accounts.account.positions, chain.accounts.account.available("USDT", X)
            seen.append((positions[X].size, round(balance.available)))
        return buy(chain, record)

    chain = Chain(script)
    chain.feed(Tick(START), TERMS, book(START), Tick(START + SECOND), book(START + 2 * SECOND, 2))

    assert seen == [(0.0, 10_000), (2.0, 9798)]
    assert [output.topic for output in chain.outputs if output.origin.offset == 4][-1] == "account"


def test_an_account_that_is_configured_late_is_known_before_the_next_vector():
    """The next decision is made on a vector, and needs a balance."""
    seen = []

    def script(chain, record):
        if isinstance(record, FeatureVector):
            seen.append(chain.accounts.account.available("USDT", X))
        return []

    chain = Chain(script)
    chain.feed(Tick(START), book(START + 1), Tick(START + SECOND), TERMS, Tick(START + SECOND + 1))

    assert [balance.wallet for balance in seen] == [10_000]


def test_only_what_has_no_origin_is_the_bridge_s():
    chain = Chain()
    chain.feed(Tick(START), TERMS)
    theirs = BalanceEvent("USDT", START, START, 77.0, 77.0)

    chain.feed(theirs)
    assert chain.accounts.account.available("USDT", X) is None
    chain.feed(msgspec.structs.replace(theirs, origin=Origin(0, 1, 0)))
    assert chain.accounts.account.available("USDT", X).wallet == 77


def test_a_wrong_time_before_the_first_tick_does_not_stop_the_exchange():
    """An account opened, and an order rested, a day ahead: from the first tick on they live in the right time."""
    ahead = START + 86_400 * SECOND
    resting = {"symbol": X, "side": "buy", "amount": 200.0}
    chain = Chain(lambda chain, record: [resting] if isinstance(record, BookSnapshot) and record.u == 1 else [])
    chain.feed(TERMS, book(ahead), book(ahead + SECOND, 2))
    assert [event.status for event in chain.records(OrderEvent)] == ["pending"]

    sold = Trade(X, START + SECOND, START + SECOND, "1", "sell", 98.0, 1.0)
    ticks = [Tick(START + second * SECOND) for second in range(1, 32)]
    events = chain.feed(Tick(START), book(START, 3), sold, *ticks)

    assert [(event.status, event.ts) for event in events if isinstance(event, OrderEvent)] == [
        ("partially_filled", START + SECOND),
        ("cancelled", START + 20 * SECOND),
    ]
    assert chain.accounts.account.available("USDT", X).at == START + 30 * SECOND


def test_an_order_on_its_way_survives_a_wrong_time():
    ahead = START + 86_400 * SECOND
    order = {"symbol": X, "side": "buy", "amount": 200.0, "urgent": True}
    chain = Chain(lambda chain, record: [order] if isinstance(record, BookSnapshot) and record.u == 1 else [])

    chain.feed(TERMS, book(ahead), Tick(START), book(START, 2), Tick(START + SECOND))

    assert [event.status for event in chain.records(OrderEvent)] == ["pending", "filled"]


def test_an_exchange_that_begins_in_the_middle_goes_on_as_it_did():
    """Its state from a checkpoint, the market's from one look-back: the same bytes from there on."""
    events = [
        msgspec.structs.replace(event, price=float(round(event.price))) if isinstance(event, Trade) else event
        for event in stream(5, 1500)
    ]
    messages = list(enumerate(map(encode, [events[0], TERMS, *events[1:]])))
    whole = Chain(random_script(5, ("AAA", "BBB"), chance=0.2))
    cut = next(offset for offset, event in enumerate(events) if getattr(event, "recv", 0) >= START + 1300 * SECOND)
    whole.engine.feed(messages[:cut])
    state = pack(whole.engine.stages[1:])
    expected = whole.engine.feed(messages[cut:])

    second = Chain(whole.script)
    begin = whole.market.clock - second.market.lookback
    start = next(offset for offset, event in enumerate(events) if event.recv >= begin)
    engine = Engine(0, second.build, Beginning(asleep=cut - 1, state=state), awake=2)

    assert 0 < start < cut
    assert engine.feed(messages[start:]) == expected
    assert sum(output.topic == "account" for output in expected) > 50
