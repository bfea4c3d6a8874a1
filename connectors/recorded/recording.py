"""A recorded session as one stream of frames."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog

from connectors.frames import Frame
from connectors.recorded.detect import detect
from connectors.recorded.lines import read_lines
from connectors.recorded.place import Snapshot, place, snapshot_in
from connectors.recorded.row import Format
from connectors.recorded.venue import RecordingError, market_in_name, symbol_in_name

log = structlog.get_logger(__name__)

Source = str | Path | Sequence[str | Path]


class Recording:
    """One file, several files, or a folder (its files, without those of inner folders), merged by receive time.

    Iterating gives the frames, each time from the start. A line that does not follow its file's format comes as a frame
    too, with the whole line as data and the receive time of the line before, so that the parser reports it. What cannot
    be given as a frame (the rest of a gzip file that is cut off) joins ``problems`` and is logged.

    Raises:
        RecordingError: at once, when a file is missing, in no known format, or from a venue that has no parser, or when
            the files hold one symbol of several markets.
    """

    def __init__(self, source: Source) -> None:
        self.paths = paths_of(source)
        self.problems: list[str] = []
        self.snapshots: list[Snapshot] = []
        self.formats: dict[Path, Format] = {}
        one_market(self.paths)
        for path in self.paths:
            if found := snapshot_in(path):
                self.snapshots.append(found)
            else:
                self.formats[path] = detect(path)
        if not self.formats:
            raise RecordingError(f"{', '.join(map(str, self.paths))}: book snapshots, but no frames")

    def __iter__(self) -> Iterator[Frame]:
        self.problems.clear()
        streams = [self._frames(path) for path in self.formats]
        merged = streams[0] if len(streams) == 1 else heapq.merge(*streams, key=lambda frame: frame.recv)
        yield from place(self.snapshots, merged, self.problems) if self.snapshots else merged
        for problem in self.problems:
            log.warning("recording.incomplete", problem=problem)

    def _frames(self, path: Path) -> Iterator[Frame]:
        return stamped(detect(path), read_lines(path, self.problems))


def read_frames(source: Source) -> Iterator[Frame]:
    """The frames of a recorded session in the order of their receive times (see ``Recording``).

    ``source`` is a file, a folder, or several files, as a list or separated by commas: ``first.gz,second.gz``.

    Raises:
        RecordingError: at once, when it cannot be read at all.
    """
    return iter(Recording(source))


def stamped(form: Format, lines: Iterable[bytes]) -> Iterator[Frame]:
    """Frames of one file. What has no receive time gets the last one known, at the start the first one to come."""
    known = 0
    early: list[tuple[str, bytes]] = []
    for line in lines:
        recv, conn, data = None, form.conn, line
        try:
            row = form.read(line)
        except ValueError:
            pass
        else:
            if row is None:
                continue
            recv, conn, data = row
        if not known and recv is None:
            early.append((conn, data))
            continue
        known = recv or known
        yield from (Frame(form.venue, *frame) for frame in ((conn, known, data) for conn, data in early))
        early.clear()
        yield Frame(form.venue, conn, known, data)
    yield from (Frame(form.venue, conn, known, data) for conn, data in early)


def paths_of(source: Source) -> list[Path]:
    """The files of a source, in the order given; of a folder sorted by name.

    Raises:
        RecordingError: when there are none, or one does not exist.
    """
    if isinstance(source, str) and not Path(source).exists():
        source = source.split(",")
    if isinstance(source, str | Path):
        source = [source]
    paths: list[Path] = []
    for path in map(Path, source):
        if path.is_dir():
            paths += sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        elif path.is_file():
            paths.append(path)
        else:
            raise RecordingError(f"{path}: no such file or folder")
    if not paths:
        raise RecordingError(f"{source[0] if source else source}: no files in it")
    return paths


def one_market(paths: Iterable[Path]) -> None:
    """Refuse to mix the spot and futures books of one symbol: events are told apart by symbol alone.

    Raises:
        RecordingError: naming the symbol and its markets.
    """
    markets: dict[str, str] = {}
    for path in paths:
        symbol, market = symbol_in_name(path.name), market_in_name(path.name)
        if not (symbol and market):
            continue
        other = markets.setdefault(symbol[1].lower(), market[1].lower())
        if other != market[1].lower():
            raise RecordingError(
                f"{path.parent}: recordings of {symbol[1].upper()} on {other} and on {market[1]}; "
                "name files of one market"
            )
