"""What Bybit's answers say about how often it may be asked."""

import re
from collections.abc import Mapping

REMAINING = "X-Bapi-Limit-Status"
RESET = "X-Bapi-Limit-Reset-Timestamp"
AFTER = "Retry-After"
BAN_SECONDS = 600.0
"""How long an address that asked too often is shut out: "wait for at least 10 minutes"
(https://bybit-exchange.github.io/docs/v5/rate-limit)."""
_LONGEST_TOLD = 86_400.0
_LONGEST_WINDOW = 60.0
"""Bybit counts requests by the second, some of them by the minute: a reset further away is a clock that is wrong."""
_MARGIN = 0.05
_number = re.compile(r"\d{1,15}(\.\d{1,6})?").fullmatch


def wait_told(headers: Mapping[str, str], now: int) -> float | None:
    """Seconds until Bybit wants to be asked again after it refused; None where it does not say.

    ``now`` is the exchange's time in microseconds. What is no number, lies in the past or too far ahead says nothing.

    >>> wait_told({"X-Bapi-Limit-Reset-Timestamp": "1700000001500"}, now=1_700_000_000_000_000)
    1.55
    >>> wait_told({"Retry-After": "7"}, now=0)
    7.05
    """
    after, reset = _parsed(headers.get(AFTER, "")), _until_reset(headers, now)
    told = [seconds for seconds, most in ((after, _LONGEST_TOLD), (reset, _LONGEST_WINDOW)) if 0 < seconds <= most]
    return max(told) + _MARGIN if told else None


def wait_needed(headers: Mapping[str, str], now: int) -> float:
    """Seconds to wait before the next request after one that was answered: 0 unless it was the last one allowed.

    >>> reset = {"X-Bapi-Limit-Reset-Timestamp": "1700000001500"}
    >>> wait_needed({"X-Bapi-Limit-Status": "0"} | reset, now=1_700_000_000_000_000)
    1.55
    >>> wait_needed({"X-Bapi-Limit-Status": "3"} | reset, now=1_700_000_000_000_000)
    0.0
    """
    if headers.get(REMAINING, "").strip() != "0":
        return 0.0
    return wait_told(headers, now) or 0.0


def _until_reset(headers: Mapping[str, str], now: int) -> float:
    reset = _parsed(headers.get(RESET, ""))
    return (reset * 1000 - now) / 1e6 if reset else 0.0


def _parsed(text: str) -> float:
    return float(text) if _number(text.strip()) else 0.0
