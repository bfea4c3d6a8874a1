"""Orders and ledgers on the paper exchange, whose every figure was worked out by hand."""

import pytest

from operators.trading.quotes import Quotes
from schemas.account import BalanceEvent, Execution, OrderEvent, PositionEvent
from schemas.market import Funding, Gap, Ticker
from tests.operators.paper.session import (
    ASKS,
    Session,
    X,
    at,
    book,
    delta,
    near,
    only,
    states,
    tick,
    trade,
)
from tests.streams import SECOND


def test_a_market_order_walks_the_levels():
    """2 of 101 x 1, 102 x 3: one at 101, one at 102, so 101.5 on average, and 0.203 of fees."""
    session = Session()

    events = session.order(1, "buy", 2.0, confidence=0.95)

    assert states(events) == [("pending", 0.0, None), ("filled", 2.0, 101.5)]
    order, position, balance = only(events, OrderEvent)[-1], *only(events, PositionEvent), *only(events, BalanceEvent)
    assert (order.order_type, order.price, order.maker, order.reduce_only) == ("market", None, False, False)
    assert order.fees == near(0.203)
    assert (position.size, position.entry) == (2.0, 101.5)
    assert position.unrealized_pnl == near(2 * (100 - 101.5))
    assert balance.wallet == near(10_000 - 0.203)
    assert balance.available == near(10_000 - 0.203 - 3 - 200)


def test_the_ids_of_an_order_are_those_of_its_signal():
    """Order id from the signal's origin; trace, strategy and signal id are handed on."""
    session = Session()
    order = session.order(1, "buy", 2.0, confidence=0.95)[-1]
    (signal,) = session.signals()
    order = session.records(OrderEvent)[-1]

    assert order.order_id == str(signal.origin.uuid("order"))
    assert (order.signal_id, order.trace_id, order.strategy) == (signal.signal_id, signal.trace_id, "one")
    assert [record.trace_id for record in session.records((PositionEvent, BalanceEvent))[-2:]] == [signal.trace_id] * 2


def test_what_a_thin_book_does_not_hold_is_cancelled():
    """A sell of 10 takes 2 at 99 and 4 at 98; the other four are cancelled."""
    session = Session()

    events = session.order(1, "sell", 10.0, confidence=0.9)

    average = (2 * 99 + 4 * 98) / 6
    assert states(events) == [("pending", 0, None), ("partially_filled", 6, average), ("cancelled", 6, average)]
    assert only(events, OrderEvent)[-1].reason == "the visible book holds no more: 4.0 not filled"
    assert session.ledger(X).holding.size == -6


def test_two_orders_never_take_the_same_liquidity():
    """The second buy finds 101 emptied, and of 102 what the first left; a new size there is new liquidity."""
    session = Session()
    session.order(1, "buy", 2.0, urgent=True)

    assert states(session.order(2, "buy", 4.0, urgent=True))[1:] == [
        ("partially_filled", 2, 102),
        ("cancelled", 2, 102),
    ]

    session.feed(delta(3, 2, asks=[(101.0, 1.0), (102.0, 3.5)]))
    assert states(session.order(4, "buy", 9.0, urgent=True))[1:] == [
        ("partially_filled", 3.5, 102),
        ("cancelled", 3.5, 102),
    ]


def test_two_orders_of_one_moment_share_what_is_displayed():
    """Both arrive with the same record."""
    session = Session()
    session.next = [{"symbol": X, "side": "buy", "amount": 300.0, "urgent": True}]

    events = session.order(1, "buy", 3.0, urgent=True, strategy="two")

    assert [fill.size for fill in only(events, Execution)] == [3.0, 1.0]
    assert [fill.strategy for fill in only(events, Execution)] == ["one", "two"]


def test_a_maker_waits_for_its_queue():
    """A buy at 99 has 2 ahead. Trades of 1.5 and 1.0 sold there leave it 0.5; one bought there moves nothing; one sold
    at 98 goes through it, and fills as much as was traded."""
    session = Session()
    placed = session.order(1, "buy", 2.0)
    assert states(placed) == [("pending", 0.0, None)]
    assert (placed[0].order_type, placed[0].price) == ("limit", 99.0)

    assert session.feed(trade(2, "sell", 99.0, 1.5), trade(2.1, "buy", 99.0, 5.0), trade(2.2, "sell", 100.0, 5.0)) == []
    assert states(session.feed(trade(3, "sell", 99.0, 1.0))) == [("partially_filled", 0.5, 99.0)]
    assert states(session.feed(trade(4, "sell", 98.0, 0.4))) == [("partially_filled", 0.9, 99.0)]
    assert states(session.feed(trade(5, "sell", 99.0, 7.0))) == [("filled", 2.0, 99.0)]

    order = session.records(OrderEvent)[-1]
    assert order.maker is True
    assert order.fees == near(2 * 99 * 0.0002)
    assert session.ledger(X).wallet == near(10_000 - 0.0396)


def test_cancellations_never_move_the_queue():
    """The level shrinks from 2 to 0.1, yet 2 must trade first."""
    session = Session()
    session.order(1, "buy", 1.0)

    assert session.feed(delta(2, 2, bids=[(99.0, 0.1)]), trade(3, "sell", 99.0, 2.0)) == []
    assert states(session.feed(trade(4, "sell", 99.0, 0.25))) == [("partially_filled", 0.25, 99.0)]


def test_a_maker_is_filled_by_what_crosses_it():
    """Sellers come down to 99 and 98.5: their displayed 0.3 + 0.2 fill at 99, once; then 0.6 more at 98.5."""
    session = Session()
    session.order(1, "buy", 2.0)

    crossing = book(2, 2, bids=[(98.0, 4.0)], asks=[(98.5, 0.2), (99.0, 0.3), (99.5, 9.0)])
    assert states(session.feed(crossing)) == [("partially_filled", 0.5, 99.0)]
    assert session.feed(delta(3, 3, asks=[(99.5, 8.0)]), tick(4)) == []
    assert states(session.feed(delta(5, 4, asks=[(98.5, 0.6)]))) == [("partially_filled", 1.1, near(99.0))]


def test_a_queue_beyond_the_visible_book_is_unknown():
    """A buy at 96 under a book that ends at 98: trades at 96 fill nothing until the level shows itself."""
    session = Session(limit_offset=1.0)
    session.order(1, "buy", 1.0, spread=4.0)

    assert session.feed(trade(2, "sell", 96.0, 9.0)) == []
    assert session.feed(book(3, 2, bids=[(97.0, 1.0), (96.0, 3.0)]), trade(4, "sell", 96.0, 3.0)) == []
    assert states(session.feed(trade(5, "sell", 96.0, 0.5))) == [("partially_filled", 0.5, 96.0)]


def test_a_post_only_order_never_takes():
    """While it was on its way the sellers came down to its price."""
    session = Session(latency=100_000)
    session.order(1, "buy", 1.0)

    events = session.feed(book(1.1, 2, bids=[(98.0, 1.0)], asks=[(99.0, 1.0)]))

    assert states(events) == [("pending", 0.0, None), ("cancelled", 0.0, None)]
    assert events[-1].reason == "post-only: it would take from 99.0"


def test_an_exit_never_turns_the_position():
    """Long 1; an exit of 5 sells 1 at 99: a loss of 2, fees 0.101 + 0.099, cash 10000 - 2.2."""
    session = Session()
    session.order(1, "buy", 1.0, urgent=True)

    events = session.order(2, "sell", 5.0, urgent=True, kind="exit")

    order = only(events, OrderEvent)[-1]
    assert (order.status, order.quantity, order.filled, order.reduce_only) == ("filled", 1.0, 1.0, True)
    assert only(events, PositionEvent)[-1].size == 0
    assert only(events, PositionEvent)[-1].realized_pnl == near(-2)
    assert only(events, BalanceEvent)[-1].wallet == near(9997.8)
    assert only(events, BalanceEvent)[-1].available == near(9997.8)


@pytest.mark.parametrize(
    ("held", "side", "reason"),
    [
        (None, "sell", "reduce-only: there is no position"),
        ("buy", "buy", "reduce-only: a buy does not reduce a position of 1.0"),
    ],
)
def test_an_exit_without_its_position_is_rejected(held, side, reason):
    session = Session()
    if held:
        session.order(1, held, 1.0, urgent=True)

    events = session.order(2, side, 1.0, urgent=True, kind="exit")

    assert [(event.status, event.reason) for event in events] == [("rejected", reason)]


def test_a_short_round_trip():
    """Sell 2 at 99, buy them back at 90 from another book: 18 profit, fees 0.198 + 0.18."""
    session = Session()
    session.order(1, "sell", 2.0, urgent=True)
    assert session.ledger(X).holding.size == -2

    marked = session.feed(book(2, 2, bids=[(89.0, 5.0)], asks=[(90.0, 5.0)]), tick(31))
    (position,) = only(marked, PositionEvent)
    assert position.unrealized_pnl == near(2 * (99 - 89.5))
    (balance,) = only(marked, BalanceEvent)
    assert balance.available == near(10_000 - 0.198 + 19 - 2 * 89.5)

    events = session.order(32, "buy", 2.0, urgent=True, kind="exit", price=89.5)
    (execution,) = only(events, Execution)
    assert (execution.realized, execution.closed, execution.signal_kind) == (near(18), 2.0, "exit")
    assert only(events, BalanceEvent)[-1].wallet == near(10_000 + 18 - 0.378)
    assert only(events, PositionEvent)[-1].realized_pnl == near(18)


def test_an_entry_turns_a_position_over():
    """Long 1 from 101; a sell of 3 closes it at 2 x 99 + 1 x 98 = 98.667 on average, and is short 2 from there."""
    session = Session()
    session.order(1, "buy", 1.0, urgent=True)

    session.order(2, "sell", 3.0, urgent=True)

    average = 296 / 3
    holding = session.ledger(X).holding
    assert (holding.size, holding.entry) == (-2, near(average))
    assert holding.realized == near(average - 101)
    assert holding.fees == near(0.101 + 0.296)


def test_longs_pay_funding_and_shorts_receive_it():
    """1 held, marked at 100: the announced 0.01 % costs 0.01 when its time passes, and the venue's own word for the
    same minute nothing more. Short 1 after, -0.05 % costs 0.05."""
    session = Session()
    session.order(1, "buy", 1.0, urgent=True)
    fee = 0.101

    session.feed(Ticker(X, at(10), at(10), funding_rate=0.0001, next_funding=at(20)))
    assert only(session.feed(tick(19.9)), BalanceEvent) == []
    (balance,) = only(session.feed(tick(20)), BalanceEvent)
    assert balance.wallet == near(10_000 - fee - 0.01)
    assert session.feed(Funding(X, at(20), at(21), 0.0001, settled=True)) == []

    session.order(22, "sell", 2.0, urgent=True)
    wallet = session.ledger(X).wallet
    session.feed(Funding(X, at(80), at(80), -0.0005, settled=True))
    assert session.ledger(X).wallet == near(wallet - 0.05)
    assert session.ledger(X).funding == near(0.06)


def test_a_funding_history_is_not_paid():
    """Backfilled settlements, those of before the position, and an announcement that a gap made doubtful."""
    session = Session()
    session.order(1, "buy", 1.0, urgent=True)
    session.feed(
        Funding(X, at(50), at(50), 0.01, settled=True, backfilled=True),
        Funding(X, at(0.5), at(50), 0.01, settled=True),
        Ticker(X, at(50), at(50), funding_rate=0.01, next_funding=at(55)),
        Gap(X, at(51), at(51), "ticker", "lost", start=at(51), end=at(51)),
        tick(56),
    )

    assert session.ledger(X).funding == 0


def test_an_order_may_cost_what_the_account_holds():
    """1000 of cash, value + fee <= equity: at 101 that is 1000 / 101.101 = 9.891 in whole steps. Marked at 100 it is
    worth 989.1, of an equity of 1000 - 0.998991 - 9.891: 0.01 is left."""
    session = Session(book(0, asks=[(101.0, 50.0)]), cash=1000.0)

    first = session.order(1, "buy", 20.0, urgent=True)
    assert states(first)[-1] == ("filled", 9.891, 101.0)
    assert only(first, OrderEvent)[0].reason == "reduced from 20.0 to what the balance allows"

    second = session.order(2, "buy", 1.0, urgent=True)
    assert [event.status for event in second] == ["rejected"]
    assert second[0].reason == "insufficient balance: 0.01 available"
    assert states(session.order(3, "sell", 2.0, urgent=True))[-1] == ("filled", 2.0, 99.0)


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [(0.0009, "too small: 0.0 is below the step of 0.001"), (0.049, "too small: worth 4.9, less than 5.0")],
)
def test_an_order_that_is_too_small_is_rejected(quantity, reason):
    """And still it cancels what was resting, as every signal does."""
    session = Session()
    session.order(1, "buy", 1.0)

    replaced, rejected = session.order(2, "buy", quantity)

    assert (replaced.status, rejected.status) == ("cancelled", "rejected")
    assert rejected.reason.startswith(reason)
    assert replaced.reason == f"replaced by signal {rejected.signal_id}"


def test_a_small_position_can_be_closed():
    """The least value of an order does not hold for what reduces a position."""
    session = Session()
    session.order(1, "buy", 0.06, urgent=True)
    session.order(2, "sell", 0.03, urgent=True, kind="exit")

    assert session.order(3, "sell", 0.03, urgent=True, kind="exit")[1].status == "filled"
    assert session.ledger(X).holding.size == 0


def test_latency_is_kept():
    """The order of a signal at 1 s meets the book of 1.05 s: not one of before, though it was better."""
    session = Session()
    session.next = [{"symbol": X, "side": "buy", "amount": 100.0, "urgent": True}]
    assert session.feed(tick(1), book(1.049999, 2, asks=[(100.0, 9.0)])) == []

    events = session.feed(book(1.05, 3, asks=[(105.0, 9.0)]))

    assert states(events) == [("pending", 0.0, None), ("filled", 1.0, 105.0)]
    assert {event.ts for event in events} == {at(1.05)}


@pytest.mark.parametrize("confidence", [0.1, 0.95])
def test_orders_wait_for_a_synchronised_book(confidence):
    """Market or limit; no longer than the life of an order, here 10 s."""
    session = Session(order_life=10 * SECOND)
    lost = Gap(X, at(1), at(1), "orderbook", "lost", start=at(1), end=at(1))
    session.feed(lost)

    first = session.order(2, "buy", 1.0, confidence=confidence)
    assert [(event.status, event.reason) for event in first] == [("pending", "waits for a synchronised book")]
    worked = session.feed(trade(3, "sell", 98.0, 5.0), book(4, 2))
    assert only(worked, OrderEvent)[0].status == "pending"
    assert (session.ledger(X).holding.size == 1) == (confidence > 0.9)

    session.feed(lost)
    session.order(5, "buy", 1.0, confidence=confidence)
    assert session.feed(tick(15.04)) == []
    (old,) = session.feed(tick(15.05))
    assert (old.status, old.reason) == ("cancelled", "the order grew too old")
    assert session.feed(book(16, 3)) == []


def test_an_old_order_is_cancelled():
    """What was filled before stays filled; the trade of the same moment comes too late."""
    session = Session(order_life=10 * SECOND)
    session.order(1, "sell", 1.0)
    session.feed(trade(2, "buy", 101.0, 1.25))

    events = session.feed(trade(11.05, "buy", 101.0, 50.0))

    assert states(events) == [("cancelled", 0.25, 101.0)]


def test_a_trade_that_was_received_before_the_order_does_not_fill_it():
    """Neither a late one, nor the one that turned the clock to the order's arrival, nor one seen twice."""
    session = Session()
    session.order(1, "buy", 1.0)
    session.order(2, "buy", 1.0)

    assert only(session.feed(trade(1.5, "sell", 90.0, 5.0), trade(2.05, "sell", 90.0, 5.0)), Execution) == []
    session.feed(trade(3, "sell", 99.0, 1.5, "a"), trade(3.1, "sell", 99.0, 1.5, "a"))
    assert session.front.exchange.desks[X].order.ahead == 0.5


@pytest.mark.parametrize(
    ("spread", "confidence", "urgent", "market"),
    [
        (2.0, 0.9, False, True),
        (2.0, 0.89, False, False),
        (2.0, 0.1, True, True),
        (0.0999, 0.1, False, True),
        (0.1, 0.1, False, False),
        (None, 0.1, False, True),
    ],
)
def test_an_order_takes_when_it_is_sure_urgent_or_the_spread_is_narrow(spread, confidence, urgent, market):
    session = Session()

    order = session.order(1, "buy", 1.0, spread=spread, confidence=confidence, urgent=urgent)[0]

    assert (order.order_type == "market") == market


def test_the_book_on_the_log_is_not_changed():
    session = Session()
    session.order(1, "buy", 3.0, urgent=True)

    assert isinstance(session.quotes, Quotes)
    assert session.quotes.book(X).asks == dict(ASKS)


def test_a_limit_below_the_first_tick_is_rejected():
    """A passive buy would have to be at 0."""
    session = Session(book(0, bids=[(2.0, 9.0)], asks=[(4.0, 9.0)]), limit_offset=1.0)

    (event,) = session.order(1, "buy", 10.0, price=3.0, spread=70.0)

    assert (event.status, event.reason) == ("rejected", "the limit price is below one tick")
