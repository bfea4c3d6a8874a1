"""The live view of ``run-dataflow``: a screen for a person, plain lines where there is no terminal."""

from datetime import UTC, datetime

from rich.console import Group
from rich.table import Table
from rich.text import Text

from cli.observe import Seen
from schemas.vector import FeatureVector

SHOWN = ("mid_price", "spread_rel", "returns_1m", "volatility_1m", "volume_1m", "depth_imbalance_top5", "RSI_14")


def screen(seen: Seen, title: str, api: str, hint: str) -> Group:
    """Everything at a glance."""
    return Group(Text(title, style="bold"), _figures(seen, api), _values(seen.newest), Text(hint, "dim"))


def line(seen: Seen) -> str:
    """The same in one line.

    >>> line(Seen(events=120, vectors=4, events_per_second=60.0, vectors_per_second=2.0))
    'events 120 (60/s)  vectors 4 (2.0/s)  lag 0 events  append->feature p50 - p99 -  books in sync 0/0'
    """
    return (
        f"events {seen.events} ({seen.events_per_second:.0f}/s)  vectors {seen.vectors}"
        f" ({seen.vectors_per_second:.1f}/s)  lag {seen.behind} events  append->feature p50"
        f" {_ms(seen.percentile(0.5))} p99 {_ms(seen.percentile(0.99))}  books in sync"
        f" {seen.books_in_sync}/{len(seen.newest)}"
    )


def summary(seen: Seen, where: str, restarts: int) -> str:
    """What a person wants to know afterwards; ``where`` is the log."""
    latency = f"p50 {_ms(seen.percentile(0.5))}, p99 {_ms(seen.percentile(0.99))}"
    return (
        f"\nDone. {seen.events:,} events -> {seen.vectors:,} feature vectors of {len(seen.newest)} symbols;"
        f" {seen.quality:,} quality records, {seen.dead_letters:,} dead letters, {restarts} restarts.\n"
        f"append -> feature {latency}; books in sync {seen.books_in_sync}/{len(seen.newest)}.\n"
        f"The log is in {where}. Look at it with: lockstep log ls; lockstep log tail features; lockstep parity"
    )


def _figures(seen: Seen, api: str) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_row("events/s", f"{seen.events_per_second:,.0f}", "events", f"{seen.events:,}")
    table.add_row("vectors/s", f"{seen.vectors_per_second:,.1f}", "vectors", f"{seen.vectors:,}")
    table.add_row("append -> feature p50", _ms(seen.percentile(0.5)), "p99", _ms(seen.percentile(0.99)))
    table.add_row("lag", f"{seen.behind:,} events", "books in sync", f"{seen.books_in_sync}/{len(seen.newest)}")
    table.add_row("quality records", f"{seen.quality:,}", "dead letters", f"{seen.dead_letters:,}")
    table.add_row("API", api)
    return table


def _values(newest: dict[str, FeatureVector]) -> Table:
    table = Table("symbol", "at (UTC)", *SHOWN, "known", "tainted", box=None, header_style="cyan")
    for symbol in sorted(newest):
        vector = newest[symbol]
        at = datetime.fromtimestamp(vector.ts / 1e6, UTC).strftime("%H:%M:%S")
        known = sum(value is not None for value in vector.features.values())
        values = [_number(vector.features.get(name)) for name in SHOWN]
        taint = ",".join(vector.taint) or "no"
        table.add_row(symbol, at, *values, f"{known}/{len(vector.features)}", taint)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
