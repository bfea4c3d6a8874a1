"""The application: what is known, behind a key, over HTTP."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware import Middleware

from serving import features, health, metrics
from serving.auth import Auth
from serving.errors import add_error_answers
from serving.health import Health
from serving.keys import Key
from serving.metrics import exposition
from serving.probe import Probe
from serving.trace import Trace
from serving.view import View

NAME = "lockstep"


def create_app(view: View, probes: Sequence[Probe], key: str, measures: Path) -> FastAPI:
    """The API over one view.

    Args:
        view: what the follower knows.
        probes: started checks of ``database``, ``message_queue`` and ``feature_registry``.
        key: what every request but ``/health`` and ``/metrics`` must bring.
        measures: the folder in which flows report about themselves.
    """
    release = version("lockstep")
    app = FastAPI(
        title="Lockstep",
        version=release,
        summary="The newest feature vectors, and how the system is.",
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(Trace), Middleware(Auth, key=Key(key))],
    )
    app.state.view = view
    app.state.health = Health(NAME, release, view, probes)
    app.state.exposition = exposition(view, measures)
    for router in (health.router, features.router, metrics.router):
        app.include_router(router)
    add_error_answers(app)
    return app
