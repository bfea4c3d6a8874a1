"""Finding checkpoints on the log."""

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
    start, upper = log.start(topic, shard), log.end(topic, shard)
    step = STEP
    while upper > start:
        lower = max(start, upper - step)
        for found in reversed(_read(log, topic, shard, lower, upper)):
            if found.origin.offset < offset and _usable(found, layout):
                return found
        upper, step = lower, step * 4
    return None


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
