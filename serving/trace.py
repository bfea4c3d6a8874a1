"""A trace id for each request: the caller's ``X-Trace-ID`` or a new one, on every log line and in every answer."""

import re
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Trace-ID"
ACCEPTED = re.compile(r"[\x21-\x7e]{1,100}")


class Trace:
    """Middleware that knows the trace id before anything else runs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        trace_id = given if ACCEPTED.fullmatch(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["trace_id"] = trace_id

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = trace_id
            await send(message)

        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            await self._app(scope, receive, answer)


def trace_of(scope: Scope) -> str:
    """The trace id of a request."""
    return str(scope["state"]["trace_id"])
