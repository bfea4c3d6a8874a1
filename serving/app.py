"""The application: what is known, behind a key, over HTTP."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware import Middleware

from serving import decisions, features, health, metrics, monitoring, positions, signals, strategies
from serving.auth import Auth
from serving.database import Database, add_away_answer
from serving.errors import Error, add_error_answers
from serving.health import Health
from serving.keys import Key
from serving.metrics import exposition
from serving.probe import Probe
from serving.request_log import RequestLog
from serving.trace import Trace
from serving.view import View

NAME = "lockstep"


def create_app(
    view: View, probes: Sequence[Probe], key: str, measures: Path, database: Database, models: Path
) -> FastAPI:
    """The API over one view.

    Args:
        view: what the follower knows.
        probes: started checks of ``database``, ``message_queue`` and ``feature_registry``.
        key: what every request but ``/health`` and ``/metrics`` must bring.
        measures: the folder in which flows report about themselves.
        database: where history is.
        models: the folder in which models are stored.
    """
    release = version("lockstep")
    app = FastAPI(
        title="Lockstep",
        version=release,
        summary="Features, decisions, signals and positions, and how the system is.",
        docs_url=None,
        redoc_url=None,
        responses={code: {"model": Error} for code in (401, 422, 500)},
        middleware=[Middleware(Trace), Middleware(RequestLog), Middleware(Auth, key=Key(key))],
    )
    app.state.view = view
    app.state.database = database
    app.state.health = Health(NAME, release, view, probes, models)
    app.state.exposition = exposition(view, measures)
    for part in (health, features, signals, decisions, positions, strategies, monitoring, metrics):
        app.include_router(part.router)
    add_error_answers(app)
    add_away_answer(app)
    return app
