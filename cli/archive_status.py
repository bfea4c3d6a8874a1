"""What ``lockstep archive status`` prints."""

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cli.log import time_text

if TYPE_CHECKING:
    from connectors.archive.summary import Summary

GIGABYTE = 1_000_000_000
WIDE = 200
"""Columns of a line that goes into a file or another program."""


def show(found: "Summary") -> None:
    """Types and symbols as a table, shards and what is missing below it."""
    width = None if sys.stdout.isatty() else WIDE
    console = Console(highlight=False, soft_wrap=True, width=width)
    table = Table(box=None, pad_edge=False)
    for heading in ("type", "symbol", "rows", "MB", "files", "first", "last", "days", "missing days"):
        table.add_column(heading, no_wrap=True)
    for one in found.series:
        times = (time_text(one.oldest), time_text(one.newest))
        missing = ", ".join(one.missing[:3]) + (f" and {len(one.missing) - 3} more" if len(one.missing) > 3 else "")
        size = f"{one.bytes / 1e6:,.1f}"
        table.add_row(
            one.type, one.symbol or "", f"{one.rows:,}", size, f"{one.files:,}", *times, f"{one.days:,}", missing
        )
    console.print(table)
    for shard in found.shards:
        behind = "" if shard.log_end is None else f", {max(0, shard.log_end - shard.position):,} behind the log"
        console.print(f"shard {shard.shard}: offsets {shard.begins:,} to {shard.position:,}{behind}")
    for gone in found.absent:
        console.print(f"shard {gone.shard}: offsets {gone.first:,} to {gone.stop:,} are missing: {gone.reason}")
    for silence in found.silences:
        lost = f"{silence.gaps:,} gaps, {silence.duration / 1e6:,.1f} s"
        console.print(f"the collector lost {silence.channel} of {silence.symbol}: {lost}")
    stored, free = found.bytes / GIGABYTE, found.free / GIGABYTE
    console.print(
        f"{found.root}: {found.rows:,} rows in {found.files:,} files, {stored:,.3f} GB ({free:,.1f} GB free),"
        f" {found.complete:.4%} of what the log had; expired: {found.moved:,} files moved, {found.deleted:,} deleted"
    )
    if found.readers:
        console.print(f"being read by process {', '.join(map(str, found.readers))}")
