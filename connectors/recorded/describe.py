"""What a recording holds."""

from collections import Counter
from pathlib import Path

from msgspec import Struct, field

from connectors.frames import Parser
from connectors.recorded.recording import Recording, Source
from connectors.venues import parser_for
from schemas.market import Tick


class Description(Struct):
    """``first`` and ``last`` are receive times in microseconds UTC; ``events`` counts them by type, ``ignored`` by
    reason."""

    files: dict[str, str]
    frames: int = 0
    first: int | None = None
    last: int | None = None
    symbols: list[str] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    bad: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def describe(source: Source) -> Description:
    """Read a recording to its end and say what is in it: formats, frames, span, symbols.

    Raises:
        RecordingError: when it cannot be read at all.
    """
    recording = Recording(source)
    names = {path: f"{form.name} ({form.venue})" for path, form in recording.formats.items()}
    names |= {snapshot.path: "book snapshot" for snapshot in recording.snapshots}
    told = Description({str(Path(path)): name for path, name in names.items()})
    parsers: dict[str, Parser] = {}
    symbols: set[str] = set()
    events: Counter[str] = Counter()
    for frame in recording:
        parser = parsers.get(frame.venue) or parsers.setdefault(frame.venue, parser_for(frame.venue))
        parsed = parser.parse(frame)
        told.frames += 1
        told.bad += len(parsed.bad)
        told.first = frame.recv if told.first is None else min(told.first, frame.recv)
        told.last = frame.recv if told.last is None else max(told.last, frame.recv)
        events.update(str(type(event).__struct_config__.tag) for event in parsed.events)
        symbols.update(event.symbol for event in parsed.events if not isinstance(event, Tick))
    told.symbols, told.events = sorted(symbols), dict(events)
    told.ignored = dict(sum((Counter(parser.ignored) for parser in parsers.values()), Counter()))
    told.problems = list(recording.problems)
    return told
