"""Settings of fetching history (contracts: settings 2.4). How often the exchange is asked is among its own."""

from typing import Literal

from pydantic_settings import BaseSettings

from cli.setting import setting


class BackfillSettings(BaseSettings):
    """Whether history is fetched, by itself too, and how much at once."""

    backfill_enabled: bool = setting(
        "FEATURE_SERVICE_BACKFILL_ENABLED", True, "Whether history can be fetched from the exchange", "true or false"
    )
    backfill_auto: bool = setting(
        "FEATURE_SERVICE_BACKFILL_AUTO", True, "Whether it is fetched by itself for datasets that lack it",
        "true or false",
    )  # fmt: skip
    backfill_max_days: int = setting(
        "FEATURE_SERVICE_BACKFILL_MAX_DAYS", 90, "The most days of one backfill", "a whole number from 1 to 3660",
        ge=1, le=3660,
    )  # fmt: skip
    backfill_interval: Literal[1] = setting(
        "FEATURE_SERVICE_BACKFILL_DEFAULT_INTERVAL", 1, "Minutes of a fetched candle", "1"
    )
