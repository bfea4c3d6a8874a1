"""Finding checkpoints on the log."""

from collections.abc import Iterator

import msgspec
import structlog

from connectors.log import Log, Reader
from operators.checkpoint import digest
from schemas.checkpoint import Checkpoint
from schemas.codec import UNREADABLE, decode_checkpoint

TOPIC = "checkpoints"
STEP = 16


def checkpoint_before(log: Log, topic: str, shard: int, offset: int, layout: str) -> Checkpoint | None:
    """The newest usable checkpoint that an event before ``offset`` caused; None when there is none.

    One of another layout cannot be used, nor one whose state does not have its digest.
    """
    parts: list[Checkpoint] = []
    for found in _backwards(log, topic, shard):
        if found.origin.offset >= offset:
            continue
        if parts and parts[0].origin.offset != found.origin.offset:
            parts = []  # the rest of it was never written
        parts.insert(0, found)
        if found.part == 0:
            whole, parts = joined(parts), []
            if whole is not None and _usable(whole, layout):
                return whole
    return None


def joined(parts: list[Checkpoint]) -> Checkpoint | None:
    """The checkpoint that stands in several records, in their order; None when one of them is missing."""
    first = parts[0]
    if [found.part for found in parts] != list(range(first.parts)):
        return None
    return msgspec.structs.replace(first, state=b"".join(found.state for found in parts), parts=1)


def _backwards(log: Log, topic: str, shard: int) -> Iterator[Checkpoint]:
    """The newest first, read in ever larger steps."""
    start, upper = log.start(topic, shard), log.end(topic, shard)
    step = STEP
    while upper > start:
        lower = max(start, upper - step)
        yield from reversed(_read(log, topic, shard, lower, upper))
        upper, step = lower, step * 4


def _usable(found: Checkpoint, layout: str) -> bool:
    if digest(found.state) == found.digest:
        return found.layout == layout
    structlog.get_logger().warning("checkpoint.damaged", source=found.source, offset=found.origin.offset)
    return False


def _read(log: Log, topic: str, shard: int, lower: int, upper: int) -> list[Checkpoint]:
    reader = log.reader(topic, shard, lower)
    found: list[Checkpoint] = []
    try:
        while reader.position < upper:
            for record in reader.poll(upper - reader.position):
                if record.offset < upper and (checkpoint := _decoded(record.value)):
                    found.append(checkpoint)
            _wait(reader, upper)
    finally:
        reader.close()
    return found


def _wait(reader: Reader, upper: int) -> None:
    if reader.position < upper:
        reader.wait(0.2)


def _decoded(value: bytes | None) -> Checkpoint | None:
    try:
        return decode_checkpoint(value or b"")
    except UNREADABLE:
        return None
