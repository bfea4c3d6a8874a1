"""When paper accounts begin and end, and what is told of them meanwhile."""

from schemas.account import AccountConfigured, BalanceEvent, OrderEvent, PositionEvent
from schemas.market import Tick
from tests.operators.paper.chain import Chain
from tests.operators.paper.session import (
    Session,
    X,
    at,
    book,
    near,
    only,
    paper,
    tick,
)
from tests.streams import START


def test_an_account_is_announced_with_the_first_live_event():
    """Cash of the quote coin, and a flat position, before the event itself is passed on."""
    session = Session()

    assert [(type(record), record.source, record.ts) for record in session.records()] == [
        (BalanceEvent, "paper", START),
        (PositionEvent, "paper", START),
    ]
    balance, position = session.records()
    assert (balance.coin, balance.symbol, balance.available, balance.wallet) == ("USDT", X, 10_000.0, 10_000.0)
    assert (position.symbol, position.size, position.entry) == (X, 0.0, None)
    assert session.accounts.account.available("USDT", X).available == 10_000


def test_balances_and_positions_are_repeated():
    """Every 30 s of log time; a flat position only once; nothing of a symbol that fell silent, until it speaks."""
    session = Session()
    quiet = session.feed(*(tick(second) for second in range(1, 200)))
    assert [(type(record), record.ts) for record in quiet] == [(BalanceEvent, at(30))]
    woken = session.feed(book(200, 2))
    assert [(type(record), record.ts) for record in woken] == [(BalanceEvent, at(200))]

    session.order(201, "buy", 1.0, urgent=True)
    repeated = session.feed(*(tick(second) for second in range(202, 400)))
    assert [record.ts for record in only(repeated, PositionEvent)] == [at(second) for second in range(230, 400, 30)]
    assert len(only(repeated, BalanceEvent)) == len(only(repeated, PositionEvent))


def test_the_bridge_is_passed_over_while_on_paper():
    """And nothing is while the account is live, nor does the exchange do anything then."""
    theirs = BalanceEvent("USDT", START, START, 77.0, 77.0)
    session = Session()
    session.feed(theirs)
    assert session.accounts.account.available("USDT", "OTHER") is None

    session.order(1, "buy", 1.0)
    closed = session.feed(AccountConfigured(at(2), "live"))
    assert [(event.status, event.reason) for event in closed] == [("cancelled", "the account went live")]
    session.feed(theirs)
    assert session.accounts.account.available("USDT", "OTHER").available == 77
    assert session.accounts.account.available("USDT", X).available == 77
    assert session.accounts.account.positions == {}
    assert session.order(3, "buy", 1.0) == []


def test_a_signal_on_its_way_is_rejected_when_the_account_goes_live():
    session = Session()
    session.next = [{"symbol": X, "side": "buy", "amount": 100.0}]
    session.feed(tick(1))

    (event,) = session.feed(AccountConfigured(at(1), "live"))

    assert (event.status, event.reason) == ("rejected", "the account went live")


def test_without_an_account_nothing_happens():
    """No AccountConfigured, no paper exchange."""
    chain = Chain(lambda chain, record: [{"symbol": X, "side": "buy", "amount": 100.0}] if type(record) is Tick else [])

    assert chain.feed(tick(0), book(0), tick(1), tick(2)) == []
    assert len(chain.signals()) == 2
    assert chain.front.snapshot() is None


def test_a_symbol_has_the_coin_of_its_name():
    """Of a name that tells no coin, USDT."""
    session = Session(book(0, symbol="ETHBTC"), book(0, symbol="AAA"), book(0, symbol="ETHUSDC-SPOT"))

    assert [(balance.symbol, balance.coin) for balance in session.records(BalanceEvent)] == [
        ("ETHBTC", "BTC"),
        ("AAA", "USDT"),
        ("ETHUSDC-SPOT", "USDC"),
    ]


def test_new_terms_leave_the_accounts_alone():
    """Fees change at once; the cash of an account that is open does not."""
    session = Session()
    session.feed(paper(cash=5.0, taker_fee=0.01))

    order = only(session.order(1, "buy", 1.0, urgent=True), OrderEvent)[-1]

    assert order.fees == near(1.01)
    assert session.ledger(X).wallet == near(10_000 - 1.01)
