"""Cron schedules on the log's clock."""

from datetime import UTC, datetime

from croniter import croniter

WORDS = {"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 0"}
"""What older settings say instead of an expression."""


def problem(schedule: str) -> str:
    """What is wrong with a schedule; empty: nothing.

    >>> problem("*/15 * * * *"), problem("daily"), problem("")
    ('', '', '')
    >>> problem("every day")
    "'every day' is no cron expression of five fields such as '0 3 * * *', nor hourly, daily or weekly"
    """
    text = WORDS.get(schedule, schedule)
    if not schedule or (len(text.split()) == 5 and croniter.is_valid(text)):
        return ""
    return f"{schedule!r} is no cron expression of five fields such as '0 3 * * *', nor hourly, daily or weekly"


def next_after(schedule: str, time: int) -> int | None:
    """The first moment after ``time`` (both microseconds UTC) that a schedule names; None: it names none.

    >>> next_after("0 * * * *", 3_599_000_000), next_after("hourly", 3_600_000_000)
    (3600000000, 7200000000)
    """
    if not schedule or problem(schedule):
        return None
    begin = datetime.fromtimestamp(time // 1_000_000, UTC)
    return int(croniter(WORDS.get(schedule, schedule), begin).get_next(float)) * 1_000_000
