"""A worker: reads jobs from standard input, one a line, and answers on standard output.

It says how far it is twice a second, and does not run further ahead of its parent than a few of these words: a parent
that is held up holds its workers up. When the parent is gone, so is the worker.
"""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import msgspec

from connectors.log import Log
from connectors.log.address import open_address
from learning.datasets.errors import LeakageError
from learning.datasets.leakage import Check, warm
from learning.datasets.parallel.jobs import Made, Piece, Proof, Proved, Told, job_decoder
from learning.datasets.parallel.spool import Spool
from learning.datasets.replayed import ShardRange, replayed
from learning.datasets.request import DatasetRequest
from learning.datasets.row import Row, RowMaker
from learning.datasets.source import merged
from operators.engine import Cursor
from operators.market import MARGIN, MarketStage

EVERY = 0.5
"""Seconds between two words."""
AHEAD = 8
"""Words that the parent need not have answered yet."""


class Parent:
    """The other end of both pipes."""

    def __init__(self, hear: IO[bytes], say: IO[bytes]) -> None:
        self.hear = hear
        self.say = say
        self.credit = AHEAD
        self._count = 0
        self._said = time.monotonic()

    def jobs(self) -> Iterator[Piece | Proof]:
        """What is to be done, until the parent has no more."""
        while line := self.hear.readline():
            if line.strip():
                yield job_decoder.decode(line)
            else:
                self.credit += 1

    def step(self, messages: int) -> None:
        """So many messages more were read; waits where the parent does not listen."""
        self._count += messages
        if time.monotonic() < self._said + EVERY:
            return
        self.tell(Told(step=self._count))
        self._count, self._said = 0, time.monotonic()
        self.credit -= 1
        while self.credit <= 0:
            if not self.hear.readline():
                raise SystemExit(1)
            self.credit += 1

    def answer(self, answer: Made | Proved) -> None:
        """The job is done."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.tell(Told(step=self._count, answer=msgspec.Raw(msgspec.json.encode(answer)), peak=peak))
        self._count = 0

    def tell(self, told: Told) -> None:
        """One line."""
        try:
            self.say.write(msgspec.json.encode(told) + b"\n")
            self.say.flush()
        except BrokenPipeError:
            raise SystemExit(1) from None


def make(log: Log, piece: Piece, parent: Parent) -> Made:
    """The rows of a piece."""
    features = piece.compiled()
    # Two margins more, so that what is not known while a piece warms up does not pass for a loss that missing values
    # must not be filled across: those come from at most twice ``request.FURTHEST`` before a row.
    lookback = MarketStage(features, Cursor(0)).lookback + 2 * MARGIN
    symbols = sorted(symbol for stretch in piece.stretches for symbol in stretch.symbols)
    makers: list[RowMaker] = []
    streams = []
    messages = [0]

    def step(count: int) -> None:
        messages[0] += count
        parent.step(count)

    for stretch in piece.stretches:
        maker = RowMaker(
            stretch.symbols, piece.columns, piece.target, piece.every, piece.first, piece.end, until=piece.until
        )
        start = warm(log, stretch.shard, piece.first - lookback)
        streams.append(replayed(log, ShardRange(stretch.shard, start, stretch.stop), features, maker, step))
        makers.append(maker)
    spool = Spool(Path(piece.spool), symbols, len(piece.names))
    with closing(spool):
        for row in merged(streams):
            spool.add(row)
            _lose(makers, spool)
        _lose(makers, spool)
    newest, offsets = [maker.newest for maker in makers], [maker.offset for maker in makers]
    return Made(spool.rows, spool.lost, newest, offsets, messages[0])


def prove(log: Log, proof: Proof, parent: Parent) -> Proved:
    """Whether rows know more than was known."""
    request = msgspec.json.decode(proof.request, type=DatasetRequest)
    features = proof.compiled()
    check = Check(log, lambda _: features, proof.columns, request)
    rows: list[Row] = [sampled.row() for sampled in proof.rows]
    try:
        return Proved(check.rows(rows, parent.step)["rows"])
    except LeakageError as leak:
        return Proved([], str(leak))


def main() -> None:
    """Work until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends us
    parent = Parent(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # whatever prints must not be taken for an answer
    for job in parent.jobs():
        try:
            with closing(open_address(job.log)) as log:
                answer = make(log, job, parent) if isinstance(job, Piece) else prove(log, job, parent)
        except Exception as error:
            traceback.print_exc()
            parent.tell(Told(failed=(type(error).__name__, str(error))))
            raise SystemExit(1) from None
        parent.answer(answer)


def _lose(makers: list[RowMaker], spool: Spool) -> None:
    for maker in makers:
        if maker.lost:
            spool.lose(maker.lost)
            maker.lost.clear()


if __name__ == "__main__":
    main()
