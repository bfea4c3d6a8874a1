"""The application: what is known, behind a key, over HTTP."""

from collections.abc import Sequence
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware import Middleware

from connectors.postgres.metric_rows import Call
from learning.registries.computations import Computations
from serving import (
    backfill,
    dataset_files,
    datasets,
    decisions,
    evaluate,
    features,
    health,
    metrics,
    model_metrics,
    models,
    monitoring,
    positions,
    quality,
    registry,
    signals,
    stats,
    strategies,
    training,
)
from serving.auth import Auth
from serving.control import add_log_answer
from serving.database import Database, add_away_answer
from serving.described import describe_keys
from serving.endpoint_metrics import EndpointMetrics, Note
from serving.errors import Error, add_error_answers
from serving.health import Health
from serving.keys import Key
from serving.metrics import exposition
from serving.probe import Probe
from serving.request_log import RequestLog
from serving.site import Site
from serving.statistics import Statistics
from serving.trace import Trace
from serving.view import View

NAME = "lockstep"


PARTS = (health, features, signals, decisions, positions, strategies, monitoring, quality, stats, backfill, metrics)
LEARNING = (evaluate, dataset_files, datasets, registry, model_metrics, models, training)
"""Each under both prefixes: callers know ``/dataset`` without and ``/models`` with ``/api/v1``."""


def nobody(call: Call) -> None:
    """How requests are answered is not kept."""


def create_app(
    view: View, probes: Sequence[Probe], key: str, database: Database, site: Site, note: Note = nobody
) -> FastAPI:
    """The API over one view.

    Args:
        view: what the follower knows.
        probes: started checks, see ``Health``.
        key: what every request but ``/health`` and ``/metrics`` must bring.
        database: where history is.
        site: where everything else is.
        note: told how each request was answered.
    """
    release = version("lockstep")
    app = FastAPI(
        title="Lockstep",
        version=release,
        summary="Features, datasets and models, decisions, signals and positions, and how the system is.",
        docs_url=None,
        redoc_url=None,
        responses={code: {"model": Error} for code in (400, 401, 422, 500)},
        middleware=[
            Middleware(Trace),
            Middleware(RequestLog),
            Middleware(EndpointMetrics, note=note),
            Middleware(Auth, key=Key(key)),
        ],
    )
    app.state.view = view
    app.state.database = database
    app.state.site = site
    app.state.health = Health(NAME, release, view, probes, site.models)
    app.state.statistics = Statistics(view, app.state.health, site)
    app.state.registry_computations = Computations()
    app.state.exposition = exposition(view, site.home / "metrics")
    for part in PARTS:
        app.include_router(part.router)
    for learnt in LEARNING:
        bare = learnt in (dataset_files, datasets, evaluate, registry)
        app.include_router(learnt.router, include_in_schema=bare)
        app.include_router(learnt.router, prefix="/api/v1", include_in_schema=not bare)
    describe_keys(app)
    add_error_answers(app)
    add_away_answer(app)
    add_log_answer(app)
    return app
