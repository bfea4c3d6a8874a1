"""What must hold of every session on the paper exchange, over random markets, signals, settings and interruptions."""

from collections import defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.engine import Engine
from operators.trading.holding import Holding
from schemas.account import OPEN, AccountConfigured, BalanceEvent, Execution, OrderEvent, PositionEvent
from schemas.codec import encode
from schemas.market import Trade
from tests.operators.paper.chain import Chain, random_script
from tests.operators.paper.random_market import market
from tests.operators.paper.recorder import RecordingChain

SYMBOLS = ("AAAUSDT", "BBBUSDC")
CHANCES = (0.02, 0.06, 0.3)
seeds = st.integers(0, 10_000)
few = settings(max_examples=12, deadline=None)


def session(seed: int, strategies: tuple[str, ...] = ("one",), count: int = 500) -> RecordingChain:
    chain = RecordingChain(random_script(seed, SYMBOLS, strategies, CHANCES[seed % 3]))
    chain.feed(*market(seed, count, SYMBOLS))
    return chain


def near(value: float):
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def by_order(chain: Chain) -> dict[str, list[OrderEvent]]:
    found = defaultdict(list)
    for event in chain.records(OrderEvent):
        found[event.order_id].append(event)
    return found


@given(seeds)
@few
def test_no_fill_without_liquidity(seed):
    """Market orders pay at least the best displayed price and get at most what is displayed; limit orders are filled at
    their price, from a trade that reached it or from what is displayed there; all takes of a moment fit together."""
    chain = session(seed)
    rows = {row.offset: row for row in chain.rows}
    orders = {event.order_id: event for event in chain.records(OrderEvent)}
    taken = defaultdict(float)
    for fill in chain.records(Execution):
        row, order = rows[fill.origin.offset], orders[fill.order_id]
        sign = 1 if fill.side == "buy" else -1
        bids, asks = row.books.get(fill.symbol, ({}, {}))
        levels = asks if sign > 0 else bids
        if not fill.maker:
            best, worst = (min(levels), max(levels)) if sign > 0 else (max(levels), min(levels))
            assert best * sign - 1e-9 <= fill.price * sign <= worst * sign + 1e-9
            taken[fill.symbol, fill.side, row.offset] += fill.size
            assert taken[fill.symbol, fill.side, row.offset] <= sum(levels.values()) + 1e-9
        else:
            assert fill.price == near(order.price)
            displayed = sum(size for price, size in levels.items() if (price - order.price) * sign <= 0)
            event = row.event
            traded = 0.0
            if isinstance(event, Trade) and event.side != fill.side and (order.price - event.price) * sign >= 0:
                traded = event.size
            assert fill.size <= max(displayed, traded) + 1e-9


@given(seeds)
@few
def test_cash_and_inventory_always_add_up(seed):
    """After every event: wallet = cash + realised - fees - funding, and what was paid and received for the inventory,
    at its mark, gives the same equity, whatever the average entry."""
    chain = session(seed)
    for symbol in SYMBOLS:
        cash = next(event.wallet for event in chain.records(BalanceEvent) if event.symbol == symbol)
        ledger, flow, size, fees = chain.ledger(symbol), 0.0, 0.0, 0.0
        for fill in (fill for fill in chain.records(Execution) if fill.symbol == symbol):
            sign = 1 if fill.side == "buy" else -1
            flow -= sign * fill.size * fill.price
            size += sign * fill.size
            fees += fill.fee
        mark = 123.0

        assert ledger.cash == cash
        assert ledger.wallet == near(cash + ledger.holding.realized - fees - ledger.funding)
        assert ledger.equity(mark) == near(cash + flow + size * mark - fees - ledger.funding)
        assert ledger.holding.size == near(size)


@given(seeds)
@few
def test_positions_and_balances_are_told_after_every_fill(seed):
    """Each execution is followed, within its event, by the position and the balance that it leaves."""
    chain = session(seed)
    records = [record for record in chain.records() if not isinstance(record, Execution)]
    size = defaultdict(float)
    filled = defaultdict(float)
    for order, position, balance in zip(records, records[1:], records[2:], strict=False):
        if not isinstance(order, OrderEvent) or order.filled == filled[order.order_id]:
            continue
        size[order.symbol] += (order.filled - filled[order.order_id]) * (1 if order.side == "buy" else -1)
        filled[order.order_id] = order.filled
        assert (type(position), type(balance)) == (PositionEvent, BalanceEvent)
        assert position.symbol == balance.symbol == order.symbol
        assert position.size == near(size[order.symbol])
        assert position.size == round(position.size, 3)
        assert position.trace_id == balance.trace_id == order.trace_id
        assert balance.available >= 0


@given(seeds)
@few
def test_an_order_lives_as_an_order_does(seed):
    """Filled only grows and never beyond the quantity, final states are final, averages stay within what was traded,
    fees follow value, and a symbol has at most one open order."""
    chain = session(seed, ("one", "two"))
    prices = defaultdict(list)
    for fill in chain.records(Execution):
        prices[fill.order_id].append(fill.price)
    for order_id, events in by_order(chain).items():
        assert [event.filled for event in events] == sorted(event.filled for event in events)
        assert all(event.status in OPEN for event in events[:-1])
        for event in events:
            assert event.filled <= event.quantity + 1e-9
            assert (event.status == "filled") == (event.filled == event.quantity)
            assert event.source == "paper"
            if event.filled:
                assert min(prices[order_id]) - 1e-9 <= event.average_price <= max(prices[order_id]) + 1e-9
    open_orders: dict[str, str] = {}
    for event in chain.records(OrderEvent):
        if event.status in OPEN:
            assert open_orders.setdefault(event.symbol, event.order_id) == event.order_id
        elif open_orders.get(event.symbol) == event.order_id:
            del open_orders[event.symbol]


@given(seeds)
@few
def test_exits_only_reduce(seed):
    """A reduce-only order never grows a position nor turns it over."""
    sizes = defaultdict(float)
    chain = session(seed)
    exits = {signal.signal_id for signal in chain.signals() if signal.kind == "exit"}
    for fill in chain.records(Execution):
        before = sizes[fill.symbol]
        after = sizes[fill.symbol] = round(before + (fill.size if fill.side == "buy" else -fill.size), 9)
        if fill.signal_id in exits:
            assert abs(after) < abs(before)
            assert before * after >= 0


@given(seeds)
@few
def test_a_signal_arrives_after_its_latency_and_no_later_than_that(seed):
    """The first word of its order is given at the first event whose clock has reached it."""
    chain = session(seed)
    first = {}
    for event in chain.records(OrderEvent):
        first.setdefault(event.signal_id, event)
    latency = None
    terms = [(row.offset, row.event.latency) for row in chain.rows if isinstance(row.event, AccountConfigured)]
    for signal in chain.signals():
        told = [latency for offset, latency in terms if offset <= signal.origin.offset]
        if not told:
            continue
        latency = told[-1]
        later = [row for row in chain.rows if row.offset > signal.origin.offset and row.clock >= signal.ts + latency]
        moments = [row for row in later if not isinstance(row.event, AccountConfigured)]
        if moments:
            assert first[signal.signal_id].origin.offset == moments[0].offset
            assert first[signal.signal_id].ts == moments[0].clock
        else:
            assert signal.signal_id not in first


@given(seeds)
@few
def test_the_account_stage_understands_the_same(seed):
    """Holdings from executions, balances and positions from events: those of the exchange's own ledger."""
    chain = session(seed)
    account = chain.accounts.account
    for symbol in SYMBOLS:
        ledger = chain.ledger(symbol)
        mine, holding = ledger.holding, account.holding("one", symbol)
        assert (holding.size, holding.entry) == (near(mine.size), near(mine.entry))
        assert (holding.realized, holding.fees) == (near(mine.realized), near(mine.fees))
        assert holding.opened == mine.opened
        coin = "USDT" if symbol.endswith("USDT") else "USDC"
        if not ledger.funding:
            assert account.available(coin, symbol).wallet == near(max(0.0, ledger.wallet))
        assert account.positions[symbol].size == near(mine.size)
        open_order = chain.front.exchange.desks[symbol].order
        found = [order.order_id for order in account.open_orders(symbol, chain.quotes.clock, 2**60) if order.order_id]
        assert found == ([] if open_order is None else [open_order.order_id])


@given(seeds)
@few
def test_the_holdings_of_strategies_sum_up_to_the_position(seed):
    """Each strategy holds what its own signals bought; fees as well."""
    chain = session(seed, ("one", "two", "three"))
    for symbol in SYMBOLS:
        parts = [chain.accounts.account.holding(name, symbol) for name in ("one", "two", "three")]
        assert sum(part.size for part in parts) == near(chain.ledger(symbol).holding.size)
        assert sum(part.fees for part in parts) == near(chain.ledger(symbol).holding.fees)


@given(seeds, st.randoms(use_true_random=False))
@few
def test_interruptions_and_batches_change_nothing(seed, random: Random):
    """The same bytes, and the same state at the end, in one batch or cut anywhere into engines restored each time."""
    events = list(enumerate(map(encode, market(seed, 300, SYMBOLS))))
    whole, cut = (Chain(random_script(seed, SYMBOLS, chance=0.1)) for _ in range(2))
    expected = whole.engine.feed(events)

    found, at = [], 0
    while at < len(events):
        size = random.choice([1, 2, 7, 40])
        found += cut.engine.feed(events[at : at + size])
        at += size
        state = cut.engine.snapshot()
        cut.engine = Engine(0, cut.build)
        cut.engine.restore(state)

    assert found == expected
    assert cut.engine.snapshot() == whole.engine.snapshot()
    assert any(output.topic == "account" for output in expected)


def test_the_state_does_not_grow():
    """However long it goes on: no more is kept of a symbol than one open order and the levels of its book."""
    chain = Chain(random_script(1, SYMBOLS, chance=0.3))
    sizes = []
    for event in market(1, 6000, SYMBOLS):
        chain.feed(event)
        sizes.append(len(repr(chain.front.snapshot())))

    assert max(sizes[3000:]) <= 1.2 * max(sizes[:3000])


def test_a_fresh_holding_is_what_an_account_begins_with():
    chain = session(3, count=3)

    assert chain.ledger("AAAUSDT").holding == Holding()
