"""The live view of ``run-dataflow``: a screen for a person, plain lines where there is no terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Group
from rich.table import Table
from rich.text import Text

from cli.observe import Seen
from schemas.vector import FeatureVector

BASIS_POINTS, PER_CENT = 1e4, 1e2
SHOWN = (
    ("mid_price", "mid\nprice", 1.0, ".7g"),
    ("spread_rel", "spread\nbp", BASIS_POINTS, ".3f"),
    ("returns_1m", "return\n1m, %", PER_CENT, "+.3f"),
    ("volatility_1m", "volat.\n1m, %", PER_CENT, ".4f"),
    ("volume_1m", "volume\n1m", 1.0, ".5g"),
    ("depth_imbalance_top5", "imbal.\ntop 5", 1.0, "+.2f"),
    ("RSI_14", "RSI\n14", 1.0, ".1f"),
)
"""Feature, heading, scale, format."""
HEIGHT = 16
"""Lines of the screen without the rows of symbols."""
WIDE = 96
"""Columns from which there is room for air."""


def screen(seen: Seen, api: str, hint: str, width: int = 100, height: int = 40) -> Group:
    """Everything at a glance; of many symbols as many as ``height`` lines have room for."""
    gap = 2 if width >= WIDE else 1
    rows = max(1, height - HEIGHT)
    hidden = len(seen.newest) - rows
    more = [Text(f"and {hidden} symbols more", "dim")] if hidden > 0 else []
    trading, where = Text(_trading(seen, width), no_wrap=True), Text(f"API  {api}", no_wrap=True)
    return Group(_figures(seen), trading, where, Text(hint, "dim"), _values(seen, rows, gap), *more)


def line(seen: Seen) -> str:
    """The same in one line.

    >>> line(Seen(events=120, vectors=4, events_per_second=60.0, vectors_per_second=2.0))
    'events 120 (60/s)  vectors 4 (2.0/s)  lag 0 events  append->feature p50 - p99 -  books in sync 0/0  signals 0/0'
    """
    return (
        f"events {seen.events} ({seen.events_per_second:.0f}/s)  vectors {seen.vectors}"
        f" ({seen.vectors_per_second:.1f}/s)  lag {seen.behind} events  append->feature p50"
        f" {_ms(seen.percentile(0.5))} p99 {_ms(seen.percentile(0.99))}  books in sync"
        f" {seen.books_in_sync}/{len(seen.newest)}  signals {seen.signals}/{seen.decisions}"
    )


def summary(seen: Seen, where: str, restarts: int, command: str = "lockstep") -> str:
    """What a person wants to know afterwards; ``where`` is the log, ``command`` what was typed to come here."""
    latency = f"p50 {_ms(seen.percentile(0.5))}, p99 {_ms(seen.percentile(0.99))}"
    return (
        f"\nDone: {seen.events:,} events -> {seen.vectors:,} feature vectors of {len(seen.newest)} symbols.\n"
        f"append -> feature latency {latency}; books in sync {seen.books_in_sync}/{len(seen.newest)}.\n"
        f"{seen.decisions:,} decisions, {seen.signals:,} signals, {seen.executions:,} executions,"
        f" {seen.realized:+,.2f} realised after fees.\n"
        f"{seen.quality:,} quality records, {seen.dead_letters:,} dead letters, {restarts} restarts.\n"
        f"The log is in {where}\n"
        f"Look at it:  {command} log ls;  {command} log tail features;  {command} parity"
    )


def _figures(seen: Seen) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_row("events/s", f"{seen.events_per_second:,.0f}", "events", f"{seen.events:,}")
    table.add_row("vectors/s", f"{seen.vectors_per_second:,.1f}", "vectors", f"{seen.vectors:,}")
    table.add_row("append -> feature p50", _ms(seen.percentile(0.5)), "p99", _ms(seen.percentile(0.99)))
    table.add_row("lag", f"{seen.behind:,} events", "books in sync", f"{seen.books_in_sync}/{len(seen.newest)}")
    table.add_row("quality records", f"{seen.quality:,}", "dead letters", f"{seen.dead_letters:,}")
    table.add_row("decisions", f"{seen.decisions:,}", "signals", f"{seen.signals:,}")
    table.add_row("executions", f"{seen.executions:,}", "realised after fees", f"{seen.realized:+,.2f}")
    return table


def _trading(seen: Seen, width: int) -> str:
    """The newest signal, cut to the screen."""
    if seen.last_signal is None:
        return ""
    signal = seen.last_signal
    text = f"{signal.strategy}: {signal.side} {signal.amount:,.0f} of {signal.symbol} at {signal.snapshot.price:g}"
    reason = f"{text}, {signal.reason}"
    return reason if len(reason) <= width else text[:width]


def _values(seen: Seen, rows: int, gap: int) -> Table:
    table = Table(box=None, header_style="cyan", padding=(0, gap, 0, 0), pad_edge=False)
    for heading in ("symbol", "at\n(UTC)"):
        table.add_column(heading, no_wrap=True)
    for heading in (*(heading for _, heading, _, _ in SHOWN), "known"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("taint", max_width=16, no_wrap=True)
    for symbol in sorted(seen.newest)[:rows]:
        table.add_row(symbol, *_row(seen.newest[symbol]))
    return table


def _row(vector: FeatureVector) -> list[str]:
    at = datetime.fromtimestamp(vector.ts / 1e6, UTC).strftime("%H:%M:%S")
    known = sum(value is not None for value in vector.features.values())
    values = [_number(vector.features, name, scale, style) for name, _, scale, style in SHOWN]
    return [at, *values, f"{known}/{len(vector.features)}", ",".join(vector.taint) or "no"]


def _number(features: Mapping[str, float | None], name: str, scale: float, style: str) -> str:
    value = features.get(name)
    return "-" if value is None else format(value * scale, style)


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
