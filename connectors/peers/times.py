"""Times as the other services write them."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros(text: str) -> int:
    """ISO 8601 with ``Z``, with an offset, or without a zone, which means UTC; as microseconds UTC.

    >>> micros("2025-03-04T09:15:02.417000"), micros("2025-03-04T09:15:02.417Z")
    (1741079702417000, 1741079702417000)
    >>> micros("2025-03-04T10:15:02.417+01:00")
    1741079702417000

    Raises:
        ValueError: when it is no such time.
    """
    return of_datetime(datetime.fromisoformat(text))


def of_datetime(moment: datetime) -> int:
    """Microseconds UTC; without a zone it is UTC.

    >>> of_datetime(datetime(1970, 1, 1, 0, 0, 1))
    1000000
    """
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - EPOCH) // MICROSECOND


def zulu(time: int) -> str:
    """Microseconds UTC as the other services like it.

    >>> zulu(1_741_079_704_250_000)
    '2025-03-04T09:15:04.250000Z'
    """
    return (EPOCH + timedelta(microseconds=time)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
