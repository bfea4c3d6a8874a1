"""How far a topic of derived records has come."""

from connectors.log import Log
from schemas.origin import HEADER, Origin


def last_origin(log: Log, topic: str, shard: int, step: int = 64) -> Origin | None:
    """The origin of the newest derived record of a shard, read to the shard's real end.

    Records without the header (another writer's, on a shared topic) are passed over; the search goes back in growing
    steps.
    """
    start, upper = log.start(topic, shard), log.end(topic, shard)
    while upper > start:
        lower = max(start, upper - step)
        found = _newest(log, topic, shard, lower, upper)
        if found is not None:
            return found
        upper, step = lower, step * 4
    return None


def _newest(log: Log, topic: str, shard: int, lower: int, upper: int) -> Origin | None:
    reader = log.reader(topic, shard, lower)
    found = None
    try:
        while reader.position < upper:
            for record in reader.poll(upper - reader.position):
                header = dict(record.headers).get(HEADER)
                if record.offset < upper and header is not None:
                    found = Origin.parse(header)
            if reader.position < upper:
                reader.wait(0.2)
    finally:
        reader.close()
    return found
