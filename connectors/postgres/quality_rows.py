"""``data_quality_metrics`` and ``quality_records``: how good the data were, by the minute, and what went wrong when."""

from uuid import uuid5

from connectors.postgres.columns import Row, decimal, json, moment, upsert
from schemas.origin import NAMESPACE
from schemas.quality import QualityMinute, QualityRecord

MEASURED = upsert(
    "data_quality_metrics",
    "id",
    (
        "id", "symbol", "metric_timestamp", "missing_rate", "anomaly_rate", "data_completeness_rate",
        "sequence_gaps_count", "desynchronization_events_count", "trace_id", "detail",
    ),
)  # fmt: skip
TOLD = upsert("quality_records", "id", ("id", "symbol", "ts", "problem", "detail", "origin"))


def minute_rows(minute: QualityMinute) -> list[Row]:
    """The row of a minute. Its id follows from symbol and minute: a log that is begun anew replaces it.

    ``metric_timestamp`` is the minute's end. ``detail`` holds the whole record, from which reports are made.
    """
    channels = minute.channels.values()
    received = sum(channel.received for channel in channels)
    missing = share(sum(channel.missing for channel in channels), sum(channel.expected for channel in channels))
    return [
        Row(
            MEASURED,
            {
                "id": uuid5(NAMESPACE, f"quality.minute/{minute.symbol}/{minute.ts}"),
                "symbol": minute.symbol,
                "metric_timestamp": moment(minute.ts),
                "missing_rate": decimal(missing),
                "anomaly_rate": decimal(share(sum(channel.anomalies for channel in channels), received)),
                "data_completeness_rate": decimal(1 - missing),
                "sequence_gaps_count": sum(channel.gaps for channel in channels),
                "desynchronization_events_count": minute.desynchronised,
                "trace_id": str(minute.origin.uuid("trace")),
                "detail": json(minute),
            },
        )
    ]


def quality_rows(record: QualityRecord) -> list[Row]:
    """The row of an observation. Its id follows from its origin."""
    return [
        Row(
            TOLD,
            {
                "id": record.origin.uuid("quality"),
                "symbol": record.symbol,
                "ts": moment(record.ts),
                "problem": record.problem,
                "detail": json(record.detail),
                "origin": record.origin.header().decode(),
            },
        )
    ]


def share(part: int, whole: int) -> float:
    """``part`` of ``whole``, at most all of it; nothing of nothing is 0.

    >>> share(1, 4), share(0, 0), share(3, 2)
    (0.25, 0.0, 1.0)
    """
    return min(1.0, part / whole) if whole else 0.0
