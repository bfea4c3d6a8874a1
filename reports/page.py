"""Pages for people: one self-contained HTML file each, without a network, the same bytes for the same results."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.catalogue import CATALOGUE, Metric
from reports.chart import Panel, band, panel
from reports.template import template

MOST_TRIPS = 2_000
"""Rows of the table of round trips; the rest is in the JSON file, and the page says so."""
MOST_MARKS = 1_000
"""Executions drawn into one chart; the same goes for them."""


def tearsheet(result: Mapping[str, Any]) -> str:
    """The page of one result (see ``reports.result``)."""
    return template("tearsheet.html.j2").render(
        result=result,
        facts=result["facts"],
        catalogue=CATALOGUE,
        panels=equity_panels(result),
        prices=[price_chart(result, symbol) for symbol in sorted(result["prices"])],
        trips=result["trips"][-MOST_TRIPS:],
    )


def comparison(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """One page for several results; ``names`` tells them apart."""
    values = [(metric, [found["metrics"].get(metric.name) for found in results]) for metric in CATALOGUE]
    return template("comparison.html.j2").render(
        names=names,
        panels=[equity_panels(found)[0] for found in results],
        rows=[(metric, found, best(metric, found)) for metric, found in values],
        missing=[found["missing"] for found in results],
        skips=merged([found["decisions"]["skips"] for found in results]),
        exits=merged([{row["rule"]: row["trips"] for row in found["exits"]} for found in results]),
        facts=differing([flat(found["facts"]) for found in results]),
    )


def equity_panels(result: Mapping[str, Any]) -> list[Panel]:
    """Equity, what it lies below its peak, and what is at stake, over the same time."""
    columns = result["equity"]
    falls = [-fall for fall in columns["drawdown"]]
    return [
        panel("Equity", columns["ts"], columns["equity"], 240)[0],
        panel("Drawdown", columns["ts"], falls, 120, from_zero=True)[0],
        panel("Exposure", columns["ts"], columns["exposure"], 120, from_zero=True)[0],
    ]


def price_chart(result: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    """The price of a symbol with what was executed."""
    points = result["prices"][symbol]
    executions = [one for one in result["executions"] if one["symbol"] == symbol]
    reach = [value for _, low, high, _ in points for value in (low, high)] + [one["price"] for one in executions]
    drawn, x, y = panel(symbol, [point[0] for point in points], [point[3] for point in points], 280, reach=reach)
    return {
        "panel": drawn,
        "band": band([(x(ts), y(low), y(high)) for ts, low, high, _ in points]),
        "marks": [{**one, "x": x(one["ts"]), "y": y(one["price"])} for one in executions[-MOST_MARKS:]],
        "executions": len(executions),
    }


def best(metric: Metric, values: Sequence[float | None]) -> float | None:
    """The best of several values, where one direction is better and they differ."""
    known = [value for value in values if value is not None]
    if not metric.better or len(set(known)) < 2:
        return None
    return max(known) if metric.better == "more" else min(known)


def merged(counts: Sequence[Mapping[str, int]]) -> list[tuple[str, list[int]]]:
    """One row for each name that any run counted, the most frequent first.

    >>> merged([{"rate": 1}, {"rate": 2, "balance": 9}])
    [('balance', [0, 9]), ('rate', [1, 2])]
    """
    rows = [(name, [found.get(name, 0) for found in counts]) for name in sorted({key for one in counts for key in one})]
    return sorted(rows, key=lambda row: -sum(row[1]))


def differing(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    """The facts in which runs differ, by name.

    >>> differing([{"a": 1, "b": 2}, {"a": 1, "b": 3}])
    [('b', [2, 3])]
    """
    found = [(name, [row.get(name) for row in rows]) for name in sorted({name for row in rows for name in row})]
    return [(name, values) for name, values in found if any(value != values[0] for value in values)]


def flat(facts: Any, name: str = "") -> dict[str, Any]:
    """Nested facts as one level; strategies and shards go by their own names.

    >>> flat({"account": {"cash": 1.0}, "strategies": [{"strategy": "calm", "mode": "auto"}]})
    {'account.cash': 1.0, 'strategies.calm.strategy': 'calm', 'strategies.calm.mode': 'auto'}
    """
    if isinstance(facts, Mapping):
        parts = [(str(key), value) for key, value in facts.items()]
    elif isinstance(facts, list | tuple) and any(isinstance(part, Mapping) for part in facts):
        parts = [(str(part.get("strategy", part.get("shard", at))), part) for at, part in enumerate(facts)]
    else:
        return {name: facts}
    return {key: value for part, inner in parts for key, value in flat(inner, f"{name}.{part}".strip(".")).items()}
