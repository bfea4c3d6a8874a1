"""REST book snapshots that were stored beside a stream, without the time at which they came."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.json import Decoder

from connectors.binance.messages import read_depth
from connectors.frames import Frame
from connectors.quantities import MALFORMED
from connectors.recorded.row import rest_answer

DEPTH = b'"depthUpdate"'
LARGEST = 64 << 20


class Snapshot(NamedTuple):
    """A file that holds one REST depth answer."""

    path: Path
    u: int
    body: bytes


class Answer(Struct, gc=False):
    """What tells such an answer."""

    last_update_id: int = field(name="lastUpdateId")
    bids: list[list[str]]
    asks: list[list[str]]


decode = Decoder(Answer).decode


def snapshot_in(path: Path) -> Snapshot | None:
    """The snapshot that a ``.json`` file holds, or None where it holds something else."""
    if path.suffix != ".json" or path.stat().st_size > LARGEST:
        return None
    body = path.read_bytes().strip()
    try:
        return Snapshot(path, decode(body).last_update_id, body)
    except MALFORMED:
        return None


def place(snapshots: Iterable[Snapshot], frames: Iterable[Frame], problems: list[str]) -> Iterator[Frame]:
    """The frames, and each snapshot directly before the first delta that reaches beyond it, received with that delta.

    One folder holds one symbol's book: a snapshot is taken to be of the symbol of that delta.
    """
    waiting = sorted(snapshots, key=lambda snapshot: snapshot.u)
    for frame in frames:
        if waiting and DEPTH in frame.data:
            try:
                update = read_depth(frame.data)
            except MALFORMED:
                yield frame
                continue
            while waiting and update.u > waiting[0].u:
                yield frame._replace(data=rest_answer(update.s, waiting.pop(0).body))
        yield frame
    problems += [f"{snapshot.path}: no delta reaches beyond it, so it was left out" for snapshot in waiting]
