"""What a topic name and a record may be: the same in both homes, so that a topic can move between them."""

import re
from collections.abc import Iterable, Sequence

from connectors.log import Cleanup, LogError, NewRecord

MAX_RECORD_BYTES = 950_000
"""Key, value and headers of one record; Kafka's default of 1 MB less what the protocol adds."""

LEGAL_NAME = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")


def check_topic(topic: str, shards: int | None = None) -> str:
    """The name, when Kafka would take it.

    >>> check_topic("dead-letters")
    'dead-letters'
    >>> check_topic("orders/btc")
    Traceback (most recent call last):
    ...
    connectors.log.LogError: topic name 'orders/btc': use 1 to 249 of a-z A-Z 0-9 . _ -
    """
    if not LEGAL_NAME.fullmatch(topic):
        raise LogError(f"topic name {topic!r}: use 1 to 249 of a-z A-Z 0-9 . _ -")
    if shards is not None and not 1 <= shards <= 32_767:
        raise LogError(f"topic {topic}: {shards} shards asked; use 1 to 32767")
    return topic


def milliseconds(timestamp: int) -> int:
    """Microseconds as the log keeps them.

    Kafka takes zero for "now", so the first millisecond of 1970 becomes the second.

    >>> milliseconds(1_700_000_000_123_999), milliseconds(5)
    (1700000000123, 1)
    """
    return max(1, timestamp // 1000)


def check_records(topic: str, shard: int, cleanup: Cleanup, records: Sequence[NewRecord]) -> None:
    """Refuse the batch when any record in it cannot be kept: before anything is written, so that no hole can arise.

    Raises:
        LogError: naming the topic, the shard and the place in the batch.
    """
    for index, record in enumerate(records):
        key, value, timestamp, headers = record
        if reason := (
            (timestamp < 0 and f"its timestamp is {timestamp}; use microseconds since 1970")
            or (key is None and cleanup == "compact" and "it has no key; a compacted topic needs one")
            or (_bytes_in(key, value, headers) > MAX_RECORD_BYTES and f"it is larger than {MAX_RECORD_BYTES} bytes")
        ):
            raise LogError(f"topic {topic}, shard {shard}: record {index} of {len(records)} refused: {reason}")


def _bytes_in(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> int:
    size = len(key or b"") + len(value or b"")
    return size + sum(len(name) + len(content) for name, content in headers) if headers else size
