"""Which format a file is in."""

from collections import Counter
from itertools import islice
from pathlib import Path

from connectors.recorded.lines import read_lines
from connectors.recorded.plain import Addressed, Bare, Timed, is_other, is_received, is_timed
from connectors.recorded.row import Format
from connectors.recorded.tables import is_table, table_of
from connectors.recorded.venue import (
    Market,
    RecordingError,
    market_of_address,
    market_of_name,
    symbol_in_name,
    venue_of_frame,
)
from connectors.recorded.wrapped import Wrapped, recorder_of

LOOKED_AT = 50
"""So many lines are looked at: the first few may be damaged."""


def detect(path: Path) -> Format:
    """The format of the file, seen from its first lines.

    Raises:
        RecordingError: when it is none that we read, or from a venue that has no parser; the message names the file.
    """
    lines = list(islice(read_lines(path, []), LOOKED_AT))
    if not lines:
        raise RecordingError(f"{path}: empty")
    try:
        shapes = Counter(shape for line in lines if (shape := shape_of(line)))
        if shapes:
            return format_of(shapes.most_common(1)[0][0], path.name, lines)
    except RecordingError as problem:
        raise RecordingError(f"{path}: {problem}") from None
    raise RecordingError(
        f"{path}: unknown format, it begins {lines[0][:60]!r}; see connectors/recorded for those that can be read"
    )


def shape_of(line: bytes) -> str | None:
    """The format that one line seems to follow."""
    if is_table(line):
        return "table"
    if is_received(line) or is_other(line):
        return "addressed"
    if is_timed(line):
        return "timed"
    if recorder_of(line):
        return "wrapped"
    return "bare" if venue_of_frame(line) else None


def format_of(shape: str, name: str, lines: list[bytes]) -> Format:
    """A reader for the format, with the market that the lines and the file's name tell."""
    if shape == "table":
        return table_of(next(filter(is_table, lines)), name)
    if shape == "wrapped":
        return Wrapped(next(market for line in lines if (market := recorder_of(line))))
    if shape == "addressed":
        addresses = [found[1].decode(errors="replace") for line in lines if (found := is_other(line))]
        frames = [found[2] for line in lines if (found := is_received(line))]
        return Addressed(market_of_address(addresses[0]) if addresses else market_of_frames(name, frames))
    if shape == "timed":
        frames = [found[2] for line in lines if (found := is_timed(line))]
        symbol = symbol_in_name(name)
        return Timed(market_of_frames(name, frames), symbol[1].upper() if symbol else None)
    return Bare(market_of_frames(name, lines))


def market_of_frames(name: str, frames: list[bytes]) -> Market:
    """The market of frames that come without an address."""
    for frame in frames:
        if venue := venue_of_frame(frame):
            return market_of_name(venue, name)
    raise RecordingError("frames of no venue that has a parser; there are: binance, bybit")
