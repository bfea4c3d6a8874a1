"""The rows of a request in the order of time, made by several processes."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from learning.datasets.errors import LeakageError
from learning.datasets.pace import Pace
from learning.datasets.parallel.crew import Crew
from learning.datasets.parallel.cutting import Cut
from learning.datasets.parallel.jobs import Made, Piece, Proof, Proved, Sampled, Stretch
from learning.datasets.parallel.spool import BLOCK, read_lost, read_rows, remove
from learning.datasets.request import DatasetRequest
from learning.datasets.row import Lost, Row
from learning.datasets.source import Part
from operators.spans import SECOND

Shared = dict[str, Any]
"""What all jobs of a build say: the fields of ``jobs.Work``."""


class Team:
    """Makes and checks rows with ``workers`` processes. ``peaks`` are the bytes that each held at most."""

    def __init__(self, shared: Shared, workers: int, hire: Callable[..., Crew] = Crew) -> None:
        self.shared = shared
        self.workers = workers
        self.hire = hire
        self.peaks = [0] * workers

    def rows(
        self, parts: list[Part], cuts: list[Cut], folder: Path, pace: Pace, lose: Callable[[Lost], None]
    ) -> Generator[Row, None, None]:
        """What ``source.computed`` gives, in the same order; ``lose`` is told about moments without a row.

        What the workers make lies in ``folder`` until it is read.

        Raises:
            Cancelled: when nobody wants it any more.
            DatasetError, LogError: when a worker cannot go on.
        """
        folder.mkdir()
        pieces = [self._piece(parts, cut, folder / f"{place:05d}") for place, cut in enumerate(cuts)]
        crew = self.hire([msgspec.json.encode(piece) for piece in pieces], self.workers, pace.step)
        unknown: list[Lost] = []
        with closing(crew):
            for place, piece in enumerate(pieces):
                made: Made = crew.answer(place, Made)
                for part, newest, offset in zip(parts, made.newest, made.offsets, strict=True):
                    part.maker.newest.update(newest)
                    part.maker.offset = max(part.maker.offset, offset)
                unknown += self._lost(piece, lose)
                yield from self._read(piece, crew.attend)
                remove(Path(piece.spool))
            self._held(crew)
        newest = {symbol: ts for part in parts for symbol, ts in part.maker.newest.items()}
        for lost in unknown:
            lose(_resolved(lost, newest, self.shared["target"].horizon * SECOND))
        folder.rmdir()

    def proved(self, rows: list[Row], request: DatasetRequest, pace: Pace) -> dict[str, Any]:
        """What ``leakage.Check.rows`` says of rows.

        Raises:
            LeakageError: naming the first row that knows more than was known.
        """
        share = -(-len(rows) // self.workers) or 1
        plain = msgspec.Raw(msgspec.json.encode(request))
        jobs = [
            Proof(**self.shared, request=plain, rows=[Sampled.of(row) for row in rows[start : start + share]])
            for start in range(0, len(rows), share)
        ]
        checked: list[dict[str, Any]] = []
        with closing(self.hire([msgspec.json.encode(job) for job in jobs], self.workers, pace.step)) as crew:
            for place in range(len(jobs)):
                proved: Proved = crew.answer(place, Proved)
                if proved.leak:
                    raise LeakageError(proved.leak)
                checked += proved.checked
            self._held(crew)
        return {"passed": True, "rows": checked}

    def _piece(self, parts: list[Part], cut: Cut, spool: Path) -> Piece:
        horizon = self.shared["target"].horizon * SECOND
        until = min(cut.end + horizon, max(part.maker.end for part in parts))
        stretches = [Stretch(part.where.shard, part.where.stop, tuple(sorted(part.maker.symbols))) for part in parts]
        return Piece(
            **self.shared, stretches=stretches, first=cut.first, end=cut.end, until=until, spool=str(spool.resolve())
        )

    def _lost(self, piece: Piece, lose: Callable[[Lost], None]) -> list[Lost]:
        """Pass the lost moments of a finished piece on; those of which it could not know the reason."""
        unknown = []
        for lost in read_lost(Path(piece.spool), _symbols(piece)):
            if lost.reason == "end":
                unknown.append(lost)
            else:
                lose(lost)
        return unknown

    def _read(self, piece: Piece, attend: Callable[[], None]) -> Iterator[Row]:
        """The rows of a finished piece; workers are heard meanwhile."""
        kind = int if self.shared["target"].kind == "classification" else float
        rows = read_rows(Path(piece.spool), _symbols(piece), len(piece.names), kind)
        for count, row in enumerate(rows):
            if count % BLOCK == 0:
                attend()
            yield row

    def _held(self, crew: Crew) -> None:
        for place, peak in enumerate(crew.peaks):
            self.peaks[place] = max(self.peaks[place], peak)


def _symbols(piece: Piece) -> list[str]:
    """By their place in a spool."""
    return sorted(symbol for stretch in piece.stretches for symbol in stretch.symbols)


def _resolved(lost: Lost, newest: dict[str, int], horizon: int) -> Lost:
    """What one process would have said of a moment that still waited at the end of its piece.

    Had the symbol a vector behind the moment's horizon, but none at its end, that is missing; else the data end.
    """
    return lost._replace(reason="vector") if newest.get(lost.symbol, 0) > lost.ts + horizon else lost
