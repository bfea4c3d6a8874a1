"""How another service is reached over REST."""

from types import TracebackType
from typing import Any

import httpx

TIMEOUT = 5.0


class PeerError(Exception):
    """A service did not give what was asked; the message says which, what and why."""


class Peer:
    """A small client of one service, which is told our key in ``X-API-Key``. Use it as an asynchronous context manager.

    Args:
        name: of the service, for messages.
        url: such as ``http://position-manager:4800``.
        key: None where the service asks for none.
    """

    def __init__(self, name: str, url: str, key: str | None = None, timeout: float = TIMEOUT) -> None:
        self.name = name
        headers = {"X-API-Key": key} if key else {}
        self.http = httpx.AsyncClient(base_url=url, timeout=timeout, headers=headers, trust_env=False)

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One answer, whatever its status.

        Raises:
            PeerError: when there is none.
        """
        try:
            return await self.http.request(method, path, **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PeerError(f"{self.name} {method} {path}: {type(error).__name__} {error}".strip()) from error

    def unexpected(self, response: httpx.Response) -> PeerError:
        """What to raise for an answer of another status than the wanted one."""
        asked = f"{response.request.method} {response.request.url.path}"
        advice = "; check its API key" if response.status_code in (401, 403) else ""
        return PeerError(f"{self.name} {asked}: HTTP {response.status_code} {response.text[:200]!r}{advice}")

    async def __aenter__(self) -> "Peer":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
