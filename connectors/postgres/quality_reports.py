"""Minutes and observations of a symbol out of the database, and reports into it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, LiteralString

import msgspec
import psycopg

from connectors.postgres.columns import decimal, json, moment
from schemas.quality import QualityMinute

Ask = Callable[[LiteralString, Mapping[str, Any]], list[dict[str, Any]]]
"""Asks a database; rows by column."""
MINUTES: LiteralString = """
select detail from data_quality_metrics
where symbol = %(symbol)s and metric_timestamp > %(start)s and metric_timestamp <= %(end)s and detail is not null
order by metric_timestamp
"""
NEWEST: LiteralString = """
select ts, problem, detail from quality_records
where symbol = %(symbol)s and ts > %(start)s and ts <= %(end)s
order by ts desc, origin desc limit %(most)s
"""
TOLD: LiteralString = """
select problem, count(*) as times from quality_records
where symbol = %(symbol)s and ts > %(start)s and ts <= %(end)s
group by problem order by problem
"""
KEEP: LiteralString = """
insert into data_quality_reports (
    id, symbol, period_start, period_end, missing_rate, anomaly_rate, sequence_gaps, desynchronization_events,
    anomaly_details, sequence_gap_details, recommendations
) values (
    %(id)s, %(symbol)s, %(period_start)s, %(period_end)s, %(missing_rate)s, %(anomaly_rate)s, %(sequence_gaps)s,
    %(desynchronization_events)s, %(anomaly_details)s, %(sequence_gap_details)s, %(recommendations)s
) on conflict (id) do nothing
"""
KEPT: LiteralString = "select created_at from data_quality_reports where id = %(id)s"


def minutes_of(ask: Ask, symbol: str, start: int, end: int) -> list[QualityMinute]:
    """The minutes that ended in (start, end], microseconds UTC, in their order."""
    rows = ask(MINUTES, _asked(symbol, start, end))
    return [msgspec.convert(row["detail"], QualityMinute) for row in rows]


def newest_records(ask: Ask, symbol: str, start: int, end: int, most: int) -> list[dict[str, Any]]:
    """At most so many of the newest observations in (start, end], the oldest of them first: ``ts`` (naive UTC),
    ``problem`` and ``detail``."""
    return ask(NEWEST, {**_asked(symbol, start, end), "most": most})[::-1]


def records_told(ask: Ask, symbol: str, start: int, end: int) -> dict[str, int]:
    """How many observations there were in (start, end], by problem."""
    return {row["problem"]: row["times"] for row in ask(TOLD, _asked(symbol, start, end))}


def keep_report(connection: psycopg.Connection[Any], report: Mapping[str, Any]) -> datetime:
    """Store a report by its ``id``; when it was stored first (naive UTC). The same report is stored once."""
    values = {
        **report,
        "period_start": moment(report["period_start"]),
        "period_end": moment(report["period_end"]),
        "missing_rate": decimal(report["missing_rate"]),
        "anomaly_rate": decimal(report["anomaly_rate"]),
        "anomaly_details": json(report["anomaly_details"]),
        "sequence_gap_details": json(report["sequence_gap_details"]),
    }
    connection.execute(KEEP, values)
    row: Any = connection.execute(KEPT, {"id": report["id"]}).fetchone()
    created: datetime = row["created_at"] if isinstance(row, dict) else row[0]
    return created


def _asked(symbol: str, start: int, end: int) -> dict[str, Any]:
    return {"symbol": symbol, "start": moment(start), "end": moment(end)}
