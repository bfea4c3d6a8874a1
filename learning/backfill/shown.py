"""A job as people and other programs see it (contracts: rest B6)."""

from datetime import datetime
from typing import Any

from learning.backfill.table import Job


def shown(job: Job) -> dict[str, Any]:
    """The job as JSON holds it; ``missing`` and ``refused`` say what there is not, and why."""
    return {
        "job_id": str(job.id),
        "symbol": job.symbol,
        "start_date": job.start_date.isoformat(),
        "end_date": job.end_date.isoformat(),
        "data_types": list(job.data_types),
        "refused": job.refused,
        "status": job.status,
        "cancelled": job.cancelled,
        "progress": {
            "dates_completed": len(job.completed_dates),
            "dates_total": len(job.dates),
            "current_date": job.at_date.isoformat() if job.at_date else None,
        },
        "start_time": _zoned(job.started_at),
        "end_time": _zoned(job.ended_at),
        "created_at": _zoned(job.created_at),
        "error_message": job.error_message,
        "completed_dates": [day.isoformat() for day in sorted(job.completed_dates)],
        "failed_dates": sorted(job.failed_dates),
        "missing": dict(sorted(job.failed_dates.items())),
        "rows_saved": job.rows_saved,
        "asked_by": job.asked_by,
    }


def _zoned(moment: datetime | None) -> str | None:
    """A time of the table, which is UTC without a zone."""
    return None if moment is None else f"{moment.isoformat()}+00:00"
