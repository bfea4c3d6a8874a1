"""Funding is found again in the balances of the paper exchange's own ledger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.paper.ledger import Ledger
from reports.payments import payments
from schemas.account import BalanceEvent, OrderEvent, PositionEvent

CASH = 10_000.0
MOVES = st.one_of(
    st.tuples(st.just("trade"), st.sampled_from(["buy", "sell"]), st.integers(1, 80), st.integers(800, 1200)),
    st.tuples(st.just("pay"), st.integers(-50, 50), st.just(0), st.integers(800, 1200)),
    st.tuples(st.just("tell"), st.just(0), st.just(0), st.just(0)),
)


@given(st.lists(MOVES, max_size=40))
def test_what_the_ledger_paid_is_what_is_found(moves):
    """In any order of executions, settlements and repeated announcements; other symbols do not matter."""
    ledger, records, expected = Ledger(CASH), [], []
    for ts, (what, side, eighths, price) in enumerate(moves, start=1):
        if what == "trade":
            size, fee = eighths / 800, eighths / 64
            ledger.trade(side, size, float(price), fee, ts)
            records.append(order(ts, side, size, float(price), fee))
            records.append(PositionEvent("BTCUSDT", ts, ts, ledger.holding.size, realized_pnl=ledger.holding.realized))
        elif what == "pay":
            before = ledger.funding
            ledger.pay_funding(float(price), side / 1000)
            if abs(ledger.funding - before) > 1e-3:
                expected.append((ts, before - ledger.funding))
        records.append(BalanceEvent("USDT", ts, ts, 1.0, ledger.wallet, symbol="BTCUSDT"))
        records.append(BalanceEvent("USDT", ts, ts, 1.0, CASH, symbol="ETHUSDT"))

    found = payments(records, CASH)

    assert {one.symbol for one in found} <= {"BTCUSDT"}
    assert sum(one.amount for one in found) == pytest.approx(-ledger.funding, abs=1e-4)
    large = [(one.ts, one.amount) for one in found if abs(one.amount) > 1e-3]
    assert [ts for ts, _ in large] == [ts for ts, _ in expected]
    assert [amount for _, amount in large] == pytest.approx([amount for _, amount in expected], abs=1e-5)


def order(ts, side, size, price, fee):
    return OrderEvent(
        "BTCUSDT", ts, ts, f"order-{ts}", side, "market", size, "filled", size, None, price, fee, source="paper"
    )


def test_a_balance_of_nothing_tells_nothing():
    records = [BalanceEvent("USDT", 1, 1, 0.0, 0.0, symbol="BTCUSDT"), BalanceEvent("USDT", 2, 2, 5.0, 5.0)]

    assert payments(records, CASH) == []
