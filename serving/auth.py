"""Who may ask: everything but the open paths needs the key, in the header ``X-API-Key`` or the query ``api_key``."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import error
from serving.keys import Key
from serving.trace import trace_of

OPEN = ("/health", "/metrics")


class Auth:
    """Middleware that answers 401 before a route, or the question whether there is one, is looked at."""

    def __init__(self, app: ASGIApp, key: Key) -> None:
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or self._fits(Request(scope)):
            await self._app(scope, receive, send)
            return
        given = _given(Request(scope)) is not None
        detail = "the API key is wrong" if given else "an API key is needed: header X-API-Key or query api_key"
        await error(401, detail, trace_of(scope))(scope, receive, send)

    def _fits(self, request: Request) -> bool:
        return self._key.fits(_given(request))


def _given(request: Request) -> str | None:
    return request.headers.get("X-API-Key") or request.query_params.get("api_key")
