"""The figures of a run against pandas, and what they say where there is nothing to say."""

import json
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.catalogue import BY_NAME, CATALOGUE
from reports.payments import Payment
from reports.reasons import Reasons
from reports.result import Material, encoded, result
from schemas.decision import Decision
from schemas.origin import Origin
from tests.reports.made import SECOND, START, Fill, bar, bar_lists, executed, fill_lists

END = START + 3005 * SECOND


def material(fills=(), bars=(), payments=(), reasons=None, cash=10_000.0):
    return Material(
        START, END, cash, ["BTCUSDT", "ETHUSDT"], executed(fills), list(bars), list(payments), {}, reasons or Reasons()
    )


def decision(strategy, outcome, step, kind="entry"):
    return Decision(strategy, "BTCUSDT", START, kind, outcome, step, "because", {}, "trace", Origin(0, 1, 0))


def finite(value):
    """Whether plain data hold no number that JSON does not have."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


@given(fill_lists(), bar_lists(), st.sampled_from([0.0, 1.0, 10_000.0]))
def test_no_run_makes_a_number_that_json_does_not_have(fills, bars, cash):
    """Whatever happened: every figure is there, finite or null, and each null has its reason."""
    found = result(material(fills, bars, cash=cash), {})

    assert finite(found)
    json.loads(encoded(found), parse_constant=pytest.fail)
    assert set(found["metrics"]) == {metric.name for metric in CATALOGUE}
    for table in [found, *found["parts"]]:
        assert {name for name, value in table["metrics"].items() if value is None} == set(table["missing"])
        assert set(table["metrics"]) <= set(BY_NAME)
        assert all(table["missing"].values())


@given(fill_lists(), bar_lists())
def test_figures_agree_with_pandas(fills, bars):
    found = result(material(fills, bars), {})
    trips = pd.DataFrame(found["trips"], columns=["closed", "net"])
    net = trips[trips.closed.notna()].net
    traded = pd.DataFrame(found["executions"], columns=["size", "price", "fee"])
    equity = pd.Series(found["equity"]["equity"])
    metrics = found["metrics"]

    assert (metrics["trips"], metrics["open_trips"]) == (len(net), int(trips.closed.isna().sum()))
    assert metrics["profit"] == pytest.approx(equity.iloc[-1] - 20_000)
    assert metrics["max_drawdown"] == pytest.approx((equity.cummax() - equity).max())
    assert metrics["turnover"] == pytest.approx((traded["size"] * traded.price).sum())
    assert metrics["fees"] == pytest.approx(traded.fee.sum())
    assert metrics["win_rate"] == (pytest.approx((net > 0).mean() * 100) if len(net) else None)
    lost = -net[net <= 0].sum()
    assert metrics["profit_factor"] == (pytest.approx(net[net > 0].sum() / lost) if lost else None)
    assert metrics["best_trip"] == (pytest.approx(net.max()) if len(net) else None)
    held = [(trip["closed"] - trip["opened"]) / SECOND for trip in found["trips"] if trip["closed"]]
    assert metrics["held_seconds"] == (pytest.approx(sum(held) / len(held)) if held else None)


@given(fill_lists(), bar_lists())
def test_parts_and_money_add_up(fills, bars):
    """Profit is what was realised and is not, less fees, with funding; and the sum of what each strategy made."""
    payments = [Payment("BTCUSDT", START + 7 * SECOND, -1.5)]
    metrics = result(material(fills, bars, payments), {})["metrics"]
    parts = result(material(fills, bars), {})["parts"]

    assert metrics["profit"] == pytest.approx(
        metrics["realised"] + metrics["unrealised"] - metrics["fees"] + metrics["funding"], abs=1e-6
    )
    assert sum(part["metrics"]["profit"] for part in parts) == pytest.approx(metrics["profit"] + 1.5, abs=1e-6)


def test_a_run_without_trades_says_so():
    found = result(material(bars=[bar(5, 1.0, 2.0, 1.5)]), {})

    assert found["metrics"]["profit"] == 0.0
    assert found["missing"] == {
        "sharpe": "equity did not vary",
        "sortino": "no period with a loss",
        "win_rate": "no closed round trip",
        "profit_factor": "no closed round trip",
        "average_win": "no winning round trip",
        "average_loss": "no losing round trip",
        "best_trip": "no closed round trip",
        "worst_trip": "no closed round trip",
        "held_seconds": "no closed round trip",
        "slippage_bps": "no execution",
    }


def test_a_single_winner_has_no_profit_factor_and_a_run_of_losers_has_zero():
    won = result(material([Fill(1, "buy", 1.0, 10.0), Fill(9, "sell", 1.0, 11.0)]), {})
    lost = result(material([Fill(1, "buy", 1.0, 10.0), Fill(9, "sell", 1.0, 9.0)]), {})

    assert (won["metrics"]["profit_factor"], won["missing"]["profit_factor"]) == (None, "no losing round trip")
    assert (lost["metrics"]["profit_factor"], lost["metrics"]["win_rate"]) == (0.0, 0.0)
    assert (lost["metrics"]["average_win"], lost["metrics"]["average_loss"]) == (None, -1.0)


def test_a_round_trip_that_broke_even_did_not_win():
    even = result(material([Fill(1, "buy", 1.0, 10.0), Fill(9, "sell", 1.0, 10.0)]), {})["metrics"]

    assert (even["win_rate"], even["average_loss"], even["average_win"]) == (0.0, 0.0, None)


def test_funding_of_an_account_that_strategies_share_is_not_split():
    fills = [Fill(1, "buy", 1.0, 10.0, strategy="calm"), Fill(2, "buy", 1.0, 10.0, strategy="bold")]
    shared = result(material(fills, payments=[Payment("BTCUSDT", START, -1.0)]), {})
    alone = result(material(fills[:1], payments=[Payment("BTCUSDT", START, -1.0)]), {})

    assert [part["metrics"]["funding"] for part in shared["parts"]] == [None, None]
    assert shared["parts"][0]["missing"]["funding"] == "strategies share the account of the symbol"
    assert [part["metrics"]["funding"] for part in alone["parts"]] == [-1.0]


def test_reasons_are_counted_by_gate_and_by_strategy():
    reasons = Reasons.of(
        [
            *[decision("calm", "skip", "rate")] * 3,
            *[decision("bold", "skip", "rate")] * 2,
            *[decision("bold", "skip", "balance")] * 6,
            decision("bold", "signal", "stop_loss", kind="exit"),
        ]
    )

    assert reasons.skips() == {"balance": 6, "rate": 5}
    assert reasons.skips("calm") == {"rate": 3}
    assert (reasons.total, reasons.of_strategy("bold"), reasons.signals()) == (12, 9, {"stop_loss": 1})
    assert result(material(reasons=reasons), {})["metrics"]["skips"] == 11


def test_the_same_run_gives_the_same_bytes():
    fills = [Fill(1, "buy", 1.0, 10.0), Fill(9, "sell", 1.0, 11.0)]

    assert encoded(result(material(fills), {"a": 1})) == encoded(result(material(fills), {"a": 1}))
