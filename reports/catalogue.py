"""What each figure means: its name, label and unit, in the order in which pages show them."""

from typing import Literal, NamedTuple

Unit = Literal["quote", "percent", "ratio", "count", "seconds"]
Better = Literal["more", "less", ""]


class Metric(NamedTuple):
    """One figure; ``better`` says which direction is good, where one is."""

    name: str
    label: str
    unit: Unit
    about: str
    better: Better = ""


CATALOGUE = (
    Metric("profit", "Net profit", "quote", "Equity at the end less equity at the start, after all costs.", "more"),
    Metric("return", "Return", "percent", "Net profit in per cent of the starting equity.", "more"),
    Metric("sharpe", "Sharpe ratio", "ratio", "Mean over deviation of the sampled returns, annualised.", "more"),
    Metric("sortino", "Sortino ratio", "ratio", "As Sharpe, over the deviation of losses alone.", "more"),
    Metric("profit_factor", "Profit factor", "ratio", "What the winners won over what the losers lost.", "more"),
    Metric("win_rate", "Win rate", "percent", "Closed round trips that won after fees.", "more"),
    Metric("max_drawdown", "Max drawdown", "quote", "The deepest fall of equity below its own peak.", "less"),
    Metric("max_drawdown_percent", "Max drawdown", "percent", "The same, in per cent of the peak.", "less"),
    Metric("drawdown_seconds", "Longest drawdown", "seconds", "The longest time below a peak.", "less"),
    Metric("trips", "Round trips", "count", "Positions that were opened and closed again."),
    Metric("open_trips", "Still open", "count", "Positions that the end of the run found open."),
    Metric("executions", "Executions", "count", "Parts of orders that were executed."),
    Metric("realised", "Realised", "quote", "Profit of what was closed, before fees.", "more"),
    Metric(
        "unrealised", "Unrealised", "quote", "Profit of what is still held, at the last price, before fees.", "more"
    ),
    Metric("fees", "Fees", "quote", "What the exchange took.", "less"),
    Metric("funding", "Funding", "quote", "What holding positions brought in (negative: cost).", "more"),
    Metric(
        "slippage", "Slippage", "quote", "What executions cost more than the mid their signals were made at.", "less"
    ),
    Metric(
        "slippage_bps", "Slippage", "ratio", "The same, in basis points of the turnover of those executions.", "less"
    ),
    Metric("turnover", "Turnover", "quote", "The value of everything executed."),
    Metric("turnover_ratio", "Turnover / equity", "ratio", "Turnover over mean equity."),
    Metric("average_win", "Average win", "quote", "Mean net profit of the round trips that won.", "more"),
    Metric("average_loss", "Average loss", "quote", "Mean net profit of the round trips that did not win.", "more"),
    Metric("best_trip", "Best round trip", "quote", "The largest net profit.", "more"),
    Metric("worst_trip", "Worst round trip", "quote", "The smallest net profit.", "more"),
    Metric("held_seconds", "Holding time", "seconds", "Mean time from entry to exit."),
    Metric("time_in_market", "Time in the market", "percent", "Samples at which anything was held."),
    Metric("mean_exposure", "Mean exposure", "percent", "Mean value of all positions in per cent of mean equity."),
    Metric("max_exposure", "Max exposure", "percent", "Largest value of all positions in per cent of mean equity."),
    Metric("decisions", "Decisions", "count", "Everything that was decided, above all not to trade."),
    Metric("signals", "Signals", "count", "Decisions that passed every gate."),
    Metric("skips", "Skips", "count", "Decisions not to trade."),
)
BY_NAME = {metric.name: metric for metric in CATALOGUE}
