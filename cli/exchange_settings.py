"""Settings of the exchange's REST interface. Keys are no settings: they are read from the environment alone."""

from typing import Literal

from pydantic import field_validator
from pydantic_settings import BaseSettings

from cli.setting import setting


class ExchangeSettings(BaseSettings):
    """Which Bybit is asked, and how often."""

    bybit_environment: Literal["mainnet", "testnet"] = setting(
        "BYBIT_ENVIRONMENT", "mainnet", "Bybit that live and past data come from", "mainnet or testnet"
    )
    bybit_rest_url: str | None = setting(
        "BYBIT_REST_URL", None, "Bybit's REST interface; unset: that of BYBIT_ENVIRONMENT, or the demo exchange's own",
        "http(s)://host[:port]", pattern=r"^https?://[^/\s]+/?$",
    )  # fmt: skip
    rate_limit_delay_ms: int = setting(
        "FEATURE_SERVICE_BACKFILL_RATE_LIMIT_DELAY_MS", 100, "Milliseconds from one REST request to the next",
        "a whole number from 0 to 60000", ge=0, le=60_000,
    )  # fmt: skip

    @field_validator("bybit_environment", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value
