"""Notes how each request was answered, for ``api_endpoint_metrics``."""

import re
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.postgres.metric_rows import Call
from serving.methods import path_of
from serving.times import now
from serving.trace import trace_of

SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")
NOWHERE = "(none)"
"""The endpoint of a request that came to no route: paths that strangers make up would be without number."""
Note = Callable[[Call], None]


class EndpointMetrics:
    """Middleware behind ``Trace``; ``note`` must not wait."""

    def __init__(self, app: ASGIApp, note: Note) -> None:
        self._app, self._note = app, note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        at, started, status = now(), time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            ms = (time.perf_counter() - started) * 1000
            self._note(Call(_endpoint(scope), scope["method"], ms, status, _symbol(scope), at, trace_of(scope)))


def _endpoint(scope: Scope) -> str:
    """The declared path; a stranger came to none."""
    found = path_of(scope["app"], scope["path"]) if "route" in scope else None
    return NOWHERE if found is None else found.template


def _symbol(scope: Scope) -> str | None:
    """What the request is about, from its query."""
    query = Request(scope).query_params
    given = query.get("symbol") or query.get("asset") or ""
    return given.upper() if SYMBOL.fullmatch(given) else None
