"""One log line for each request: method, path, status, milliseconds; the trace id is on every line anyway."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGER = structlog.get_logger()


class RequestLog:
    """Middleware behind ``Trace``. The query is left out: it may hold the key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            LOGGER.info(
                "api.request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
