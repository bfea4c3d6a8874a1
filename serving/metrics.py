"""Metrics for Prometheus: what the API sees on the log, and what every flow reports of itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import psutil
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from connectors.measures import BOUNDS, Report, Sample, read_reports
from serving.times import now
from serving.view import View

PREFIX = "lockstep_"
FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
MEANINGS = {
    "events_read": "Events that a flow read.",
    "records_written": "Records that a flow wrote to a topic.",
    "duplicates_suppressed": "Records that a flow did not write again because the topic had them.",
    "dead_letters": "Messages that a flow could not read.",
    "frames": "Messages that the collector received.",
    "lost": "Messages that the collector could not keep.",
    "records_stored": "Records that were stored in PostgreSQL.",
    "records_refused": "Records that no table took; they are in refused_records.",
}
Row = tuple[Mapping[str, str], float]


class LogCollector:
    """Turns the view and the flows' reports into metric families whenever Prometheus asks."""

    def __init__(self, view: View, measures: Path) -> None:
        self._view, self._measures = view, measures

    def collect(self) -> Iterator[Metric]:
        yield from self._log()
        yield from self._vectors()
        yield from self._quality()
        yield from reported(read_reports(self._measures))

    def _log(self) -> Iterator[Metric]:
        view = self._view
        ends = sorted(view.ends.copy().items())
        yield _family(
            "counter",
            "log_records",
            "Records appended to a shard since it began: its end.",
            _places(ends),
            "topic",
            "shard",
        )
        kept = [(place, end - view.starts.get(place, end)) for place, end in ends]
        yield _family("gauge", "log_kept", "Offsets between start and end of a shard.", _places(kept), "topic", "shard")
        shards = sorted(shard for topic, shard in view.ends.copy() if topic == "events")
        lags = [({"shard": str(shard)}, float(lag)) for shard in shards if (lag := view.lag(shard)) is not None]
        yield _family(
            "gauge", "lag_events", "Events after the one that caused the shard's newest vector.", lags, "shard"
        )
        letters = sum(end for (topic, _), end in ends if topic == "dead-letters")
        yield _family("counter", "dead_letters_written", "Records on the topic dead-letters.", [({}, letters)])
        yield _family("gauge", "log_up", "Whether the log answers.", [({}, float(view.log_error is None))])

    def _vectors(self) -> Iterator[Metric]:
        view, time = self._view, now()
        vectors = sorted(view.vectors.copy().items())
        yield _family("counter", "vectors", "Live vectors seen by the API.", _by("symbol", view.seen), "symbol")
        yield _family("counter", "tainted_vectors", "Live vectors seen, by taint.", _by("taint", view.tainted), "taint")
        yield _family("counter", "quality", "Quality records seen.", _by("problem", view.problems), "problem")
        yield _family(
            "counter", "unreadable", "Records the API could not read.", _by("topic", view.unreadable), "topic"
        )
        ages = [({"symbol": symbol}, (time - vector.ts) / 1e6) for symbol, vector in vectors]
        yield _family("gauge", "vector_age_seconds", "Age of the newest vector.", ages, "symbol")
        synced = [({"symbol": symbol}, float("book" not in vector.taint)) for symbol, vector in vectors]
        yield _family(
            "gauge", "book_synchronised", "Whether the book of the newest vector was sound.", synced, "symbol"
        )
        about = "Market update received to vector read by the API, live vectors only."
        histogram = HistogramMetricFamily(f"{PREFIX}feature_latency_seconds", about)
        histogram.add_metric([], _cumulative(view.latency.buckets), view.latency.total)
        yield histogram

    def _quality(self) -> Iterator[Metric]:
        alerts = self._view.quality_alerts
        rates = [({"symbol": symbol, "rate": rate}, value) for symbol, rate, value in alerts.current()]
        yield _family("gauge", "quality_rate", "Rates of the data of the last five minutes.", rates, "rate", "symbol")
        raised = [({"symbol": one.symbol, "rate": one.rate}, 1.0) for one in alerts.raised(now())]
        yield _family("gauge", "quality_alert", "Rates that exceed their limit.", raised, "rate", "symbol")
        yield _family(
            "counter", "quality_alerts", "Alerts that began since the API started.", [({}, float(alerts.begun))]
        )


def reported(reports: Iterable[Report]) -> Iterator[Metric]:
    """The flows' own numbers, each with the labels ``flow`` and ``process``, and whether the process lives."""
    rows: dict[str, list[tuple[dict[str, str], Sample]]] = {}
    alive, ages = [], []
    for report in reports:
        own = {"flow": report.flow, "process": str(report.process)}
        alive.append((own, float(psutil.pid_exists(report.pid))))
        ages.append((own, (now() - report.updated) / 1e6))
        for sample in report.samples:
            rows.setdefault(sample.name, []).append((sample.labels | own, sample))
    for name, samples in sorted(rows.items()):
        yield _reported(name, samples)
    yield _family("gauge", "flow_up", "Whether the process of a flow lives.", alive, "flow", "process")
    yield _family("gauge", "flow_report_age_seconds", "Age of a flow's last report.", ages, "flow", "process")


def _reported(name: str, samples: list[tuple[dict[str, str], Sample]]) -> Metric:
    kind = samples[0][1].kind
    labels = sorted({label for given, _ in samples for label in given})
    family = FAMILIES[kind](PREFIX + name, MEANINGS.get(name, "Reported by a flow."), labels=labels)
    for given, sample in samples:
        values = [given.get(label, "") for label in labels]
        if sample.kind != kind:
            continue
        if isinstance(family, HistogramMetricFamily):
            family.add_metric(values, _cumulative(sample.buckets), sample.value)
        else:
            family.add_metric(values, sample.value)
    return family


def _family(kind: str, name: str, about: str, rows: Iterable[Row], *labels: str) -> Metric:
    family = FAMILIES[kind](PREFIX + name, about, labels=labels)
    for given, value in rows:
        family.add_metric([given[label] for label in labels], value)  # type: ignore[arg-type]
    return family


def _places(rows: Iterable[tuple[tuple[str, int], int]]) -> list[Row]:
    return [({"topic": topic, "shard": str(shard)}, float(value)) for (topic, shard), value in rows]


def _by(label: str, counts: Mapping[str, int]) -> list[Row]:
    return [({label: name}, float(count)) for name, count in sorted(dict(counts).items())]


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total, rows = 0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
        total += count
        rows.append((bound, float(total)))
    return rows


def exposition(view: View, measures: Path) -> Callable[[], bytes]:
    """A function that renders everything as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LogCollector(view, measures))  # type: ignore[arg-type]
    return lambda: generate_latest(registry)


router = APIRouter(tags=["status"])


@router.get("/metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """Everything for Prometheus; no key needed."""
    return Response(request.app.state.exposition(), media_type=CONTENT_TYPE_LATEST)
