"""GET /metrics: what Prometheus reads, by its own parser."""

import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from connectors.log import NewRecord
from connectors.measures import BOUNDS, Histogram, Measures, quantile, read_reports
from schemas.codec import encode
from schemas.origin import Origin
from schemas.quality import QualityRecord
from tests.serving.conftest import Api, Market, eventually, now, vector

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(api: Api) -> Samples:
    """Every sample by name and labels."""
    text = api.client.get(f"{api.url}/metrics").text
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def of(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return f"lockstep_{name}", tuple(sorted(labels.items()))


def test_tells_ends_lag_vectors_taint_quality_and_latency(market: Market, api: Api) -> None:
    """Lag is the events after the one that caused the newest vector."""
    assert eventually(lambda: api.view.ready)
    market.events(0, 10)
    quality = QualityRecord("BTCUSDT", now(), "gap", {}, Origin(0, 3, 0))
    market.log.append("quality", 0, [NewRecord(b"BTCUSDT", encode(quality), now())])
    market.log.append("dead-letters", 1, [NewRecord(b"x", b"{}", now())] * 2)
    market.add(vector("BTCUSDT", now(), 5), vector("ETHUSDT", now(), 6, tainted=True, taint=["book", "trades"]))
    assert eventually(lambda: scrape(api).get(of("lag_events", shard="0")) == 3)
    assert eventually(lambda: scrape(api).get(of("dead_letters_written_total")) == 2)
    assert eventually(lambda: of("quality_total", problem="gap") in scrape(api))
    found = scrape(api)

    assert found[of("log_records_total", topic="events", shard="0")] == 10
    assert found[of("log_records_total", topic="features", shard="0")] == 2
    assert of("lag_events", shard="1") not in found
    assert found[of("vectors_total", symbol="BTCUSDT")] == 1
    assert found[of("tainted_vectors_total", taint="book")] == 1
    assert found[of("quality_total", problem="gap")] == 1
    assert found[of("book_synchronised", symbol="BTCUSDT")] == 1
    assert found[of("book_synchronised", symbol="ETHUSDT")] == 0
    assert found[of("feature_latency_seconds_count")] == 2
    assert found[of("feature_latency_seconds_bucket", le="+Inf")] == 2
    assert found[of("log_up")] == 1


def test_tells_what_flows_report_with_flow_and_process(api: Api, measures: Measures) -> None:
    measures.count("duplicates_suppressed", 3, topic="features")
    measures.count("duplicates_suppressed", 2, topic="features")
    measures.gauge("position", 41, shard=0)
    measures.observe("append_to_feature_seconds", 0.003)
    measures.publish()
    found = scrape(api)

    own = {"flow": "features", "process": "1"}
    assert found[of("duplicates_suppressed_total", topic="features", **own)] == 5
    assert found[of("position", shard="0", **own)] == 41
    assert found[of("append_to_feature_seconds_bucket", le="0.002", **own)] == 0
    assert found[of("append_to_feature_seconds_bucket", le="0.005", **own)] == 1
    assert found[of("flow_up", **own)] == 1


def test_processes_that_label_differently_and_odd_names_still_make_a_readable_page(api: Api, tmp_path: Path) -> None:
    """Prometheus refuses a page with one bad line, and with it everything."""
    Measures(tmp_path / "metrics", "a").publish()
    for process, labels in enumerate(({"topic": 'qu"ote\n\\'}, {"shard": 1}, {})):
        measures = Measures(tmp_path / "metrics", "b", process)
        measures.count("records_written", 1, **labels)
        measures.publish()
    found = scrape(api)

    assert found[of("records_written_total", flow="b", process="0", shard="", topic='qu"ote\n\\')] == 1
    assert found[of("records_written_total", flow="b", process="1", shard="1", topic="")] == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"flow": 1}', b"\xff\xfe"])
def test_a_damaged_report_is_left_out(api: Api, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "broken-0.json").write_bytes(damage)

    assert scrape(api)[of("log_up")] in (0, 1)


def test_a_report_is_never_seen_half_written(tmp_path: Path) -> None:
    """A reader beside a writer that never rests always finds whole reports."""
    measures = Measures(tmp_path, "features")
    for number in range(200):
        measures.count("n", 1, label=number)
    measures.publish()
    stopped = threading.Event()

    def publish() -> None:
        while not stopped.is_set():
            measures.publish()

    thread = threading.Thread(target=publish)
    thread.start()
    lengths = {len(read_reports(tmp_path)[0].samples) for _ in range(300)}
    stopped.set()
    thread.join()

    assert lengths == {200}
    assert list(tmp_path.iterdir()) == [measures.path]


def test_measures_are_published_by_themselves_and_once_more_at_the_end(tmp_path: Path) -> None:
    kept = {"events": 5}
    with Measures(tmp_path, "features", fill=lambda to: to.counted("events_read", kept["events"])) as measures:
        assert eventually(measures.path.exists)
        kept["events"] = 9
    (report,) = read_reports(tmp_path)

    assert [(sample.name, sample.value) for sample in report.samples] == [("events_read", 9)]


def test_a_disk_that_refuses_does_not_stop_a_flow(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("a file where the folder should be")
    measures = Measures(tmp_path / "metrics", "features")
    measures.count("n")
    measures.publish()

    assert measures.report().samples[0].value == 1


@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_histogram_counts_each_value_in_the_first_bucket_that_holds_it(seconds: list[float]) -> None:
    """Oracle: counting the values below each bound."""
    histogram = Histogram()
    for value in seconds:
        histogram.add(value)
    cumulative = [sum(histogram.buckets[: place + 1]) for place in range(len(BOUNDS))]

    assert cumulative == [sum(value <= bound for value in seconds) for bound in BOUNDS]
    assert sum(histogram.buckets) == len(seconds)
    assert msgspec.json.decode(msgspec.json.encode(histogram.buckets)) == histogram.buckets


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_the_bound_above_the_true_one(seconds: list[float], share: float) -> None:
    """Oracle: the sorted values themselves."""
    histogram = Histogram()
    for value in seconds:
        histogram.add(value)
    needed = share * len(seconds)
    true = next(value for place, value in enumerate(sorted(seconds), start=1) if place >= needed)
    bounds = [bound for bound in (*BOUNDS, float("inf")) if bound >= true]

    assert quantile(histogram.buckets, share) == bounds[0]
