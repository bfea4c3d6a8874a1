"""The figures of a run, or of a part of it, out of round trips, executions and the equity curve."""

from collections.abc import Sequence

from reports.drawdown import drawdown
from reports.equity import SECOND, Curve
from reports.figure import Table
from reports.payments import Payment
from reports.ratios import returns, sharpe, sortino
from reports.reasons import Reasons
from reports.trips import RoundTrip, slippage
from schemas.account import Execution

NO_TRIPS = "no closed round trip"


def measure(
    trips: Sequence[RoundTrip],
    executions: Sequence[Execution],
    curve: Curve,
    payments: Sequence[Payment] | None = (),
    reasons: Reasons | None = None,
    strategy: str | None = None,
) -> Table:
    """Every figure of the catalogue; with ``strategy``, only its decisions are counted.

    ``payments`` None: they belong to an account that others use too, and cannot be told apart.
    """
    table = Table()
    _of_curve(table, curve)
    _of_trips(table, trips)
    _of_executions(table, executions, curve)
    _costs(table, executions, payments)
    _decisions(table, reasons or Reasons(), strategy)
    return table


def _of_curve(table: Table, curve: Curve) -> None:
    equity = curve.equity
    profit = equity[-1] - equity[0]
    table.put("profit", profit)
    table.put("return", profit / equity[0] * 100 if equity[0] > 0 else None, "no starting equity")
    found = returns(curve.whole)
    for name, ratio in (("sharpe", sharpe), ("sortino", sortino)):
        table.put(name, *ratio(found, curve.period))
    worst = drawdown(curve.times, equity)
    table.put("max_drawdown", worst.amount)
    table.put("max_drawdown_percent", worst.percent, "a peak was not positive")
    table.put("drawdown_seconds", worst.longest / SECOND)
    mean = sum(equity) / len(equity)
    table.put("time_in_market", sum(value > 0 for value in curve.exposure) / len(curve.exposure) * 100)
    for name, value in (
        ("mean_exposure", sum(curve.exposure) / len(curve.exposure)),
        ("max_exposure", max(curve.exposure)),
    ):
        table.put(name, value / mean * 100 if mean > 0 else None, "mean equity was not positive")


def _of_trips(table: Table, trips: Sequence[RoundTrip]) -> None:
    closed = [trip for trip in trips if trip.closed is not None]
    won = [trip.net for trip in closed if trip.net > 0]
    lost = [trip.net for trip in closed if trip.net <= 0]
    table.put("trips", len(closed))
    table.put("open_trips", len(trips) - len(closed))
    table.ratio("win_rate", len(won) * 100, len(closed), NO_TRIPS)
    table.ratio("profit_factor", sum(won), -sum(lost), "no losing round trip" if won else NO_TRIPS)
    table.ratio("average_win", sum(won), len(won), "no winning round trip")
    table.ratio("average_loss", sum(lost), len(lost), "no losing round trip")
    table.put("best_trip", max((trip.net for trip in closed), default=None), NO_TRIPS)
    table.put("worst_trip", min((trip.net for trip in closed), default=None), NO_TRIPS)
    table.ratio("held_seconds", sum(trip.held or 0.0 for trip in closed), len(closed), NO_TRIPS)


def _of_executions(table: Table, executions: Sequence[Execution], curve: Curve) -> None:
    turnover = sum(one.size * one.price for one in executions)
    mean = sum(curve.equity) / len(curve.equity)
    table.put("executions", len(executions))
    table.put("turnover", turnover)
    table.put("turnover_ratio", turnover / mean if mean > 0 else None, "mean equity was not positive")


def _costs(table: Table, executions: Sequence[Execution], payments: Sequence[Payment] | None) -> None:
    realised = sum(one.realized for one in executions)
    fees = sum(one.fee for one in executions)
    funding = sum(payment.amount for payment in payments or ())
    table.put("realised", realised)
    table.put("fees", fees)
    table.put("funding", None if payments is None else funding, "strategies share the account of the symbol")
    table.put("unrealised", (table.values["profit"] or 0.0) - realised + fees - funding)
    known = [(one, cost) for one in executions if (cost := slippage(one)) is not None]
    cost = sum(cost for _, cost in known)
    table.put("slippage", cost if known or not executions else None, "no execution names its signal")
    table.ratio("slippage_bps", cost * 10_000, sum(one.size * one.price for one, _ in known), "no execution")


def _decisions(table: Table, reasons: Reasons, strategy: str | None) -> None:
    skips, signals = sum(reasons.skips(strategy).values()), sum(reasons.signals(strategy).values())
    table.put("decisions", reasons.total if strategy is None else reasons.of_strategy(strategy))
    table.put("signals", signals)
    table.put("skips", skips)
