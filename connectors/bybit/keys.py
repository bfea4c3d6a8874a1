"""A Bybit API key, and what a signed request carries. Public market data need none."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

KEY, SECRET = "BYBIT_API_KEY", "BYBIT_API_SECRET"
WINDOW_MS = 5_000
"""For how long a signed request is good, in milliseconds."""


@dataclass(frozen=True)
class Keys:
    """A key and its secret. Neither shows when it is printed or logged.

    >>> Keys("my-key", "my-secret")
    Keys()
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Keys | None":
        """The keys in the environment, nowhere else; None where there are none.

        Raises:
            ValueError: when only one of the two is there, or when they are no plain text.
        """
        key, secret = (environment.get(name, "").strip() for name in (KEY, SECRET))
        if bool(key) != bool(secret):
            given, absent = (KEY, SECRET) if key else (SECRET, KEY)
            raise ValueError(f"{given} is set, {absent} is not: set both, or neither (public data need no key)")
        if not (key.isascii() and key.isprintable()):
            raise ValueError(f"{KEY} holds characters that no key has")
        return cls(key, secret) if key else None

    def headers(self, query: str, time_ms: int) -> dict[str, str]:
        """The headers that sign a GET with this query string at ``time_ms`` (the exchange's clock, milliseconds).

        HMAC-SHA256 of timestamp + key + window + query, in hexadecimal
        (https://bybit-exchange.github.io/docs/v5/guide#authentication).
        """
        signed = f"{time_ms}{self.key}{WINDOW_MS}{query}"
        return {
            "X-BAPI-API-KEY": self.key,
            "X-BAPI-TIMESTAMP": str(time_ms),
            "X-BAPI-RECV-WINDOW": str(WINDOW_MS),
            "X-BAPI-SIGN": hmac.new(self.secret.encode(), signed.encode(), hashlib.sha256).hexdigest(),
        }
