"""One number for a whole topic: equal digests, equal bytes in equal order."""

from collections.abc import Iterator
from hashlib import blake2b

from connectors.log import Log, Record
from schemas.origin import HEADER


def records(log: Log, topic: str, shard: int) -> Iterator[Record]:
    """Every record of a shard, from its start to where it ends now."""
    end = log.end(topic, shard)
    reader = log.reader(topic, shard, log.start(topic, shard))
    try:
        while reader.position < end:
            batch = reader.poll(1_000)
            yield from batch
            if not batch:
                reader.wait(0.2)
    finally:
        reader.close()


def digest(log: Log, topic: str, shards: int) -> str:
    """BLAKE2b over key, value and origin of every record, shard by shard.

    Offsets and timestamps are left out: they belong to the log, not to the result.
    """
    state = blake2b(digest_size=16)
    for shard in range(shards):
        state.update(b"shard %d\n" % shard)
        for record in records(log, topic, shard):
            for part in (record.key, record.value, dict(record.headers).get(HEADER)):
                part = part or b""
                state.update(b"%d:" % len(part))
                state.update(part)
    return state.hexdigest()
