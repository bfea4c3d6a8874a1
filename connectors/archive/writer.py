"""Archiving: rows gather in memory, and are committed as files together with the places that they reach to."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

from connectors.archive.catalogue import Catalogue
from connectors.archive.changes import Drafts, changing, clear, name
from connectors.archive.columns import Batch
from connectors.archive.drafted import draft
from connectors.archive.entries import HOLE, Absent, Entry, Stand
from connectors.archive.kinds import kind_of
from connectors.archive.layout import Place, date_of, symbol_of
from connectors.archive.rows import rows_of, sorted_out
from connectors.log import Record


class ArchiveWriter:
    """Adds to the archive of a log with ``shards`` shards in the folder ``root``, which is made where it is missing.

    What was added is in memory until ``commit``, which writes it all or, killed at any moment, nothing of it.

    >>> import tempfile
    >>> from schemas.market import Tick
    >>> with ArchiveWriter(Path(tempfile.mkdtemp()), shards=1) as writer:
    ...     writer.add_events(0, [Tick(1_000_000), Tick(2_000_000)])
    ...     [entry.path for entry in writer.commit()]
    2
    ['type=tick/date=1970-01-01/symbol=_/00000-000000000000-000000000001.parquet']
    """

    def __init__(self, root: Path, shards: int) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.catalogue = Catalogue(root, shards)
        self.cleared = clear(root, self.catalogue)
        """The files that a killed writer had left."""
        self.stored: dict[int, Stand] = self.catalogue.stands()
        self.reached: dict[int, Stand] = dict(self.stored)
        self.pending = 0
        """Rows that wait for ``commit``."""
        self._drafts = Drafts(root)
        self._absent: list[Absent] = []
        self._waiting: dict[tuple[int, Place], list[Batch]] = {}

    def begin(self, shard: int, start: int) -> None:
        """Say where a shard begins that was never archived."""
        self.reached[shard] = Stand(start, start)

    def lose(self, shard: int, stop: int, reason: str) -> None:
        """Go on at the offset ``stop``: what is missing before it is gone for ``reason``."""
        stand = self.reached[shard]
        self._absent.append(Absent(shard, stand.position, stop, reason))
        self.reached[shard] = stand._replace(position=stop, last=None)

    def position(self, shard: int) -> int:
        """The offset from which on a shard is to be added."""
        stand = self.reached.get(shard)
        return stand.position if stand else 0

    def add(self, shard: int, records: Sequence[Record], position: int | None = None) -> None:
        """Take records of a shard as the log gave them, in order; ``position`` is where its reader is after them.

        Raises:
            ValueError: when they do not come after what is archived.
        """
        if records:
            self._follows(shard, [record.offset for record in records])
            for place, rows in sorted_out(shard, records).items():
                self._wait(shard, place, rows)
            last = records[-1]
            self._reach(shard, last.offset + 1, (last.offset, crc32(last.value or b"")))
        if position is not None and position > self.position(shard):
            if shard not in self.reached:
                self.begin(shard, position)
            self._skip(shard, self.position(shard), position)
            self.reached[shard] = self.reached[shard]._replace(position=position)

    def add_events(self, shard: int, events: Sequence[Any], times: Sequence[int] | None = None) -> int:
        """Take events that no log holds, on the next offsets of a shard; returns the offset after them.

        ``times`` are the log's timestamps (microseconds; their ``recv`` where not given).

        Raises:
            ValueError: when a symbol cannot be a folder's name.
        """
        first = self.position(shard)
        groups: dict[Place, tuple[list[int], list[int], list[Any]]] = {}
        known: dict[tuple[type, int, str | None], tuple[list[int], list[int], list[Any]]] = {}
        for offset, event in enumerate(events, start=first):
            time = max(1, (event.recv if times is None else times[offset - first]) // 1000) * 1000
            symbol = getattr(event, "symbol", None)
            key = (type(event), time // 86_400_000_000, symbol)
            if (group := known.get(key)) is None:
                place = Place(kind_of(type(event)).name, date_of(time), symbol_of(symbol))
                if place.symbol != symbol:
                    raise ValueError(f"events/{shard}, offset {offset}: {symbol!r} cannot be a folder's name")
                group = known[key] = groups[place] = ([], [], [])
            group[0].append(offset)
            group[1].append(time)
            group[2].append(event)
        for place, (offsets, logged, found) in groups.items():
            self._wait(shard, place, rows_of(shard, place, offsets, logged, found))
        self._reach(shard, first + len(events), None)
        return first + len(events)

    def add_rows(self, shard: int, places: Mapping[Place, Batch], position: int) -> None:
        """Take finished rows (see ``rows.rows_of``) of a shard, everything of it before the offset ``position``."""
        for place, rows in places.items():
            self._wait(shard, place, rows)
        self._reach(shard, position, None)

    def commit(self) -> list[Entry]:
        """Make files of what was added; from now on they count. Returns them.

        Raises:
            SecondWriter: when another process archived meanwhile; nothing counts then.
            OSError: when the disk is full; nothing counts then.
        """
        moves = {shard: (self.stored.get(shard), after) for shard, after in self.reached.items()}
        moves = {shard: move for shard, move in moves.items() if move[0] != move[1]}
        if not moves:
            return []
        drafts = [self._write(shard, place, rows) for (shard, place), rows in self._waiting.items()]
        entries = [entry for _, entry in drafts]
        with changing(self.root):
            name(self.root, drafts)
            self.catalogue.commit(entries, moves, self._absent)
        self.stored = dict(self.reached)
        self._absent.clear()
        self._waiting.clear()
        self.pending = 0
        return entries

    def close(self) -> None:
        """Let go; what was not committed is forgotten."""
        self._drafts.close()
        self.catalogue.close()

    def __enter__(self) -> "ArchiveWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follows(self, shard: int, offsets: Sequence[int]) -> None:
        """Look whether offsets come after what is there, and remember the holes before and between them."""
        if shard not in self.reached:
            self.begin(shard, offsets[0])
        expected = self.position(shard)
        if offsets[0] < expected:
            raise ValueError(f"{self.root}: events/{shard} is archived up to offset {expected}, not {offsets[0]}")
        if offsets[-1] - expected + 1 > len(offsets):
            for before, offset in pairwise([expected - 1, *offsets]):
                self._skip(shard, before + 1, offset)

    def _skip(self, shard: int, first: int, stop: int) -> None:
        if first < stop:
            self._absent.append(Absent(shard, first, stop, HOLE))

    def _reach(self, shard: int, position: int, last: tuple[int, int] | None) -> None:
        stand = self.reached.get(shard, Stand(0, 0))
        self.reached[shard] = stand._replace(position=position, last=last)

    def _wait(self, shard: int, place: Place, rows: Batch) -> None:
        self._waiting.setdefault((shard, place), []).append(rows)
        self.pending += rows.num_rows

    def _write(self, shard: int, place: Place, rows: Sequence[Batch]) -> tuple[Path, Entry]:
        path = self._drafts.next()
        return path, draft(path, shard, place, rows)
