"""``api_endpoint_metrics`` and ``feature_computation_metrics``: how requests were answered, how long vectors took."""

import uuid
from typing import LiteralString, NamedTuple

from connectors.postgres.columns import Row, decimal, moment
from schemas.origin import NAMESPACE

TABLES: tuple[LiteralString, ...] = ("api_endpoint_metrics", "feature_computation_metrics")
LONGEST_MS = 9_999_999.0
"""What the columns of times hold at most."""
CALLED = """
insert into api_endpoint_metrics
    (id, endpoint, method, response_time_ms, status_code, symbol, request_timestamp, trace_id)
values (%(id)s, %(endpoint)s, %(method)s, %(ms)s, %(status)s, %(symbol)s, %(at)s, %(trace)s)
on conflict (id) do nothing
"""
COMPUTED = """
insert into feature_computation_metrics as known
    (id, symbol, computation_timestamp, latency_ms, latency_ms_p95, latency_ms_max, feature_registry_version,
     computation_interval, features_count, error_count, trace_id, computations)
values (%(id)s, %(symbol)s, %(at)s, %(mean)s, %(p95)s, %(most)s, %(version)s, %(interval)s, %(features)s, %(errors)s,
    %(trace)s, %(computations)s)
on conflict (id) do update set
    latency_ms = excluded.latency_ms, latency_ms_p95 = excluded.latency_ms_p95,
    latency_ms_max = excluded.latency_ms_max, features_count = excluded.features_count,
    error_count = excluded.error_count, trace_id = excluded.trace_id, computations = excluded.computations
where known.computations < excluded.computations
"""


class Call(NamedTuple):
    """One request: the route's path, how long its answer took, and when it came (microseconds UTC)."""

    endpoint: str
    method: str
    ms: float
    status: int
    symbol: str | None
    at: int
    trace: str


class Computed(NamedTuple):
    """The vectors of a symbol that closed an interval in the minute that ends at ``at`` (microseconds UTC).

    ``mean``, ``p95`` and ``most`` are of the time from the market update to the vector, in milliseconds. ``features``
    had a value in the newest of them, ``errors`` of them were tainted, ``trace`` is the newest one's.
    """

    symbol: str
    interval: str
    at: int
    version: str
    mean: float
    p95: float
    most: float
    features: int
    errors: int
    computations: int
    trace: str


def call_row(call: Call) -> Row:
    """The row of a request, cut to what its columns hold."""
    params = {
        "id": uuid.uuid4(),
        "endpoint": call.endpoint[:200],
        "method": call.method[:10],
        "ms": decimal(min(round(call.ms, 3), LONGEST_MS)),
        "status": call.status,
        "symbol": call.symbol and call.symbol[:20],
        "at": moment(call.at),
        "trace": call.trace[:100],
    }
    return Row(CALLED, params)


def computed_row(one: Computed) -> Row:
    """The row of a minute; of several programs that saw parts of it, the one that saw most of it stays."""
    name = f"computed/{one.symbol}/{one.interval}/{one.at}/{one.version}"
    mean, p95, most = (decimal(min(round(ms, 3), LONGEST_MS)) for ms in (one.mean, one.p95, one.most))
    params = {
        "id": uuid.uuid5(NAMESPACE, name),
        "symbol": one.symbol[:20],
        "at": moment(one.at),
        "mean": mean,
        "p95": p95,
        "most": most,
        "version": one.version[:50],
        "interval": one.interval,
        "features": one.features,
        "errors": one.errors,
        "trace": one.trace,
        "computations": one.computations,
    }
    return Row(COMPUTED, params)
