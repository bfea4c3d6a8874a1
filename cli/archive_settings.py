"""Settings of the archive: where it is, how long what is in it stays."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import field_validator
from pydantic_settings import BaseSettings, NoDecode

from cli.setting import setting


class ArchiveSettings(BaseSettings):
    """What the environment says about the archive."""

    archive: Path | None = setting(
        "LOCKSTEP_ARCHIVE", None,
        "Where events are archived, in a folder for each session; unset: archive beside the session's log", "a folder",
    )  # fmt: skip
    archive_days: float = setting(
        "FEATURE_SERVICE_RETENTION_DAYS", 90.0, "How long archived events stay; 0: for ever",
        "a number of days from 0 on", ge=0,
    )  # fmt: skip
    archive_days_by_type: Annotated[dict[str, float], NoDecode] = setting(
        "LOCKSTEP_ARCHIVE_DAYS", {}, "How long archived events of single types stay, before the setting for all",
        "<type>=<days>,<type>=<days> ..., such as book.delta=14,book.snapshot=14",
    )  # fmt: skip
    archive_away: Path | None = setting(
        "LOCKSTEP_ARCHIVE_EXPIRED", None, "Where archived events go that are too old; unset: they are deleted",
        "a folder",
    )  # fmt: skip
    archive_least_free: float = setting(
        "LOCKSTEP_ARCHIVE_MIN_FREE_GB", 1.0, "Gigabytes that archiving leaves free on the disk", "a number from 0 on",
        ge=0,
    )  # fmt: skip

    @field_validator("archive_days_by_type", mode="before")
    @classmethod
    def _days(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        from connectors.archive.retention import parse_days  # half a second, which most verbs need not wait

        return parse_days(value)
