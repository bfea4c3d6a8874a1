"""A report made of what the database holds."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

import msgspec

from connectors.postgres.quality_reports import Ask, minutes_of, newest_records, records_told
from reports.quality.advice import recommendations
from reports.quality.period import Span
from reports.quality.report import Observation, Report, summed
from schemas.origin import NAMESPACE

LOOKED_AT = 1_000
"""The newest observations of a period that are looked at one by one."""


def read_report(ask: Ask, symbol: str, period: Span) -> Report:
    """The report of a symbol over whole minutes, by what is stored."""
    place = symbol, period.start, period.end
    observations = [
        Observation(microseconds(row["ts"]), row["problem"], row["detail"])
        for row in newest_records(ask, *place, LOOKED_AT)
    ]
    return summed(symbol, period, minutes_of(ask, *place), observations, records_told(ask, *place))


def as_row(report: Report) -> dict[str, Any]:
    """The report by the names of its table. Its ``id`` follows from what it says: the same findings, the same id."""
    row = {
        "symbol": report.symbol,
        "period_start": report.period.start,
        "period_end": report.period.end,
        "missing_rate": round(report.missing_rate, 4),
        "anomaly_rate": round(report.anomaly_rate, 4),
        "sequence_gaps": report.sequence_gaps,
        "desynchronization_events": report.desynchronised,
        "anomaly_details": report.anomaly_details(),
        "sequence_gap_details": report.gap_details(),
        "recommendations": recommendations(report),
    }
    return {"id": uuid5(NAMESPACE, f"quality.report/{msgspec.json.encode(row, order='sorted').decode()}"), **row}


def microseconds(naive: datetime) -> int:
    """A time of the tables, UTC without a zone, exactly.

    >>> microseconds(datetime(2025, 3, 4, 9, 15, 4, 250000))
    1741079704250000
    """
    whole = naive.replace(microsecond=0, tzinfo=UTC)
    return int(whole.timestamp()) * 1_000_000 + naive.microsecond
