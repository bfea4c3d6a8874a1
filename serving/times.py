"""Times for people and for JSON: microseconds UTC as ISO 8601 with a Z."""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """Microseconds since the Unix epoch, UTC, on this machine's clock."""
    return time.time_ns() // 1000


def iso(microseconds: int) -> str:
    """A time as the other services write it.

    >>> iso(1_741_079_704_001_207), iso(1_741_079_704_000_000)
    ('2025-03-04T09:15:04.001207Z', '2025-03-04T09:15:04Z')
    """
    return (EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=None).isoformat() + "Z"
