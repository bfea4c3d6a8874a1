"""The model routes over HTTP, with rows of ours and of another system."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from connectors.log import Log, open_log
from connectors.postgres.migrate import Migrator
from learning.registry.metrics import Metric
from learning.registry.versions import record_metrics, record_version
from schemas.codec import decode_event
from schemas.model import ModelActivated
from schemas.origin import Origin
from schemas.prediction import Score
from schemas.strategy import Strategy, StrategyConfigured
from serving.learning_probe import Builds, ModelFiles
from serving.probe import DatabaseCheck, Probe
from tests.learning.registry.made import TRAINED, record, stored_file
from tests.persist.written import START, write, write_events
from tests.serving.conftest import SHARDS, Api, Market, eventually, now, running, vector
from tests.serving.trading import got, serving, stored

HOUR = 3_600_000_000
ANOTHER_SYSTEMS = """
insert into model_versions (version, file_path, model_type, strategy_id, trained_at, training_config)
values ('v5', '/models/v5/model.json', 'xgboost', null, '2025-03-01 10:00', '{"a": 1}'),
    ('v6.2', '/models/v6.2/model.json', 'sgd_classifier', 'beta', '2025-03-02 10:00', null)
"""


@pytest.fixture
def url(database_url: str) -> str:
    """Two versions of ``alpha``, and two that another system made."""
    Migrator(database_url).up()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(ANOTHER_SYSTEMS)
        for number, version in enumerate(("v1741079704", "v1741079704.1")):
            record_version(connection, record(version, trained_at=TRAINED + number * HOUR), 61.4)
    return database_url


@pytest.fixture
def api(market: Market, tmp_path: Path, url: str) -> Iterator[Api]:
    with serving(tmp_path, url) as api:
        yield api


def activations(log: Log) -> list[list[ModelActivated]]:
    """By shard."""
    found = []
    for shard in range(SHARDS):
        events = [decode_event(one.value or b"") for one in log.reader("events", shard, 0).poll(1000)]
        found.append([event for event in events if isinstance(event, ModelActivated)])
    return found


def versions(api: Api, **query: str) -> list[str]:
    return [one["version"] for one in got(api, "/api/v1/models", **query)["items"]]


@pytest.mark.req("MS-FR-012", "MS-US-4.2")
def test_versions_are_listed_newest_first_with_filters_and_pages_whoever_made_them(api: Api) -> None:
    """The origin answers 500 as soon as a row exists."""
    page = got(api, "/api/v1/models", limit="3")
    first = page["items"][0]

    assert [one["version"] for one in page["items"]] == ["v1741079704.1", "v1741079704", "v6.2"]
    assert (page["total"], page["limit"], page["offset"], page["models"]) == (4, 3, 0, page["items"])
    assert versions(api, offset="3") == ["v5"]
    assert versions(api, strategy_id="beta") == ["v6.2"]
    assert versions(api, is_active="true") == []
    assert len(versions(api, is_active="false")) == 4
    assert got(api, "/models") == got(api, "/api/v1/models")
    assert (first["file_path"], first["model_type"]) == ("/models/v1741079704.1/model.ubj", "xgboost")
    assert (first["trained_at"], first["training_duration_seconds"]) == ("2025-03-04T10:15:04Z", 61)
    assert first["training_config"]["features"] == ["mid_price", "rsi_14"]
    assert (first["is_active"], first["is_warmup_mode"], first["training_dataset_size"]) == (False, False, 400)


@pytest.mark.req("MS-US-2.3", "MS-US-4.1", "MS-US-4.2")
def test_one_version_is_shown_with_its_metrics_which_can_be_filtered(api: Api) -> None:
    found = got(api, "/api/v1/models/v1741079704")
    path = "/api/v1/models/v1741079704/metrics"
    everything = got(api, path)

    assert found["quality_metrics"] == everything
    assert {(one["metric_name"], one["metadata"]["dataset_split"]) for one in everything} == {
        ("accuracy", "validation"), ("log_loss", "validation"), ("accuracy", "test"), ("f1_score", "test"),
        ("sharpe_ratio", "test"), ("win_rate", "test"),
    }  # fmt: skip
    assert {one["model_version_id"] for one in everything} == {found["id"]}
    (test,) = got(api, path, metric_name="accuracy", dataset_split="test")
    assert (test["metric_value"], test["evaluation_dataset_size"]) == (0.75, 20)
    assert test["evaluated_at"] == "2025-03-04T09:15:04Z"
    assert {one["metric_name"] for one in got(api, path, metric_type="trading_performance")} == {
        "sharpe_ratio", "win_rate",
    }  # fmt: skip
    assert got(api, "/api/v1/models/v5")["quality_metrics"] == []
    for unknown in ("/api/v1/models/v99", "/api/v1/models/v99/metrics", "/api/v1/models/v99/metrics/time-series"):
        answer = api.get(unknown)
        assert (answer.status_code, answer.json()["detail"].startswith("no model v99")) == (404, True)
    assert api.get("/api/v1/models/nonsense").status_code == 422


@pytest.mark.req("TK-MS-09")
@pytest.mark.parametrize("granularity", ["hour", "day", "week"])
def test_metrics_over_time_are_means_of_their_buckets(api: Api, url: str, granularity: str) -> None:
    """Against plain Python, of points at random times of three weeks."""
    random = Random(granularity)
    points = [
        Metric(name, random.randint(0, 100) / 100, "live", TRAINED + random.randint(0, 21 * 24) * HOUR + number, 10)
        for number in range(60)
        for name in ("win_rate", "accuracy")
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        record_metrics(connection, "v1741079704", points)
    path = "/api/v1/models/v1741079704/metrics/time-series"
    query = {"granularity": granularity, "start_time": "2025-03-04T10:00:00", "end_time": "2025-04-01T00:00:00Z"}
    answer = got(api, path, metric_names="win_rate, accuracy", **query)
    one = got(api, path, metric_names="win_rate", **query)

    expected = defaultdict(list)
    for point in points:
        moment = datetime.fromtimestamp(point.ts / 1e6, UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
        if moment < datetime(2025, 3, 4, 10):  # noqa: DTZ001
            continue
        moment = moment if granularity == "hour" else moment.replace(hour=0)
        moment -= timedelta(days=moment.weekday()) if granularity == "week" else timedelta()
        expected[f"{moment.isoformat()}Z", point.name].append(point.value)
    assert {(p["timestamp"], p["metric_name"]): pytest.approx(p["value"]) for p in answer["data_points"]} == {
        key: statistics.fmean(values) for key, values in expected.items()
    }
    assert (answer["metric_name"], one["metric_name"]) == (None, "win_rate")
    assert one["data_points"] == [p for p in answer["data_points"] if p["metric_name"] == "win_rate"]
    assert api.get(path, start_time="2025-01-02", end_time="2025-01-01").status_code == 400
    assert api.get(path, start_time="1999-01-01", end_time="2025-01-01").status_code == 400


def test_scores_of_live_predictions_are_a_series_too_also_of_the_river_model(
    market: Market, tmp_path: Path, url: str
) -> None:
    """As the trading flow writes them every minute."""
    ts = now()
    for offset, (model, accuracy) in enumerate((("v1741079704", 0.5), ("v1741079704", 0.7), ("online", 0.9))):
        score = Score(
            "alpha", "BTCUSDT", ts, model, "champion", 100, accuracy, 0.4, 0.6, 0.3, 0.1, Origin(0, offset, 0)
        )
        write(market.log, [score])
    stored(market.log, url)
    with serving(tmp_path, url) as api:
        found = {}
        for model in ("v1741079704", "online"):
            path = f"/api/v1/models/{model}/metrics/time-series"
            end = {"end_time": "2999-01-01", "start_time": "2998-12-31"}
            assert got(api, path, metric_names="live.accuracy", **end)["data_points"] == []
            later = datetime.now(UTC) + timedelta(minutes=1)
            (point,) = got(api, path, metric_names="live.accuracy", end_time=later.isoformat())["data_points"]
            found[model] = point["value"]

    assert found == {"v1741079704": pytest.approx(0.6), "online": pytest.approx(0.9)}


@pytest.mark.req("MS-US-4.5")
def test_an_activation_is_an_event_on_every_shard_and_takes_the_place_of_the_one_before(
    market: Market, tmp_path: Path, url: str
) -> None:
    """Table and log agree, also when what the log says is stored once more from its start."""
    for version in ("v1741079704", "v1741079704.1"):
        stored_file(tmp_path / "models", version)
    with serving(tmp_path, url) as api:
        first = api.post("/api/v1/models/v1741079704/activate")
        second = api.post("/api/v1/models/v1741079704.1/activate", {"strategy_id": "alpha", "reason": "better"})
        active = versions(api, is_active="true")
        assert eventually(lambda: api.view.trading.model("alpha", "BTCUSDT") == "v1741079704.1")
        stored(market.log, url)
        again = versions(api, is_active="true")

    assert (first.status_code, first.json()["is_active"], first.json()["version"]) == (200, True, "v1741079704")
    assert (second.status_code, second.json()["is_active"]) == (200, True)
    assert active == again == ["v1741079704.1"]
    for told in activations(market.log):
        assert [(event.version, event.strategy, event.symbol, event.by) for event in told] == [
            ("v1741079704", "alpha", None, "api"), ("v1741079704.1", "alpha", None, "api"),
        ]  # fmt: skip
        assert [event.sha256 for event in told] == [record(event.version or "").sha256 for event in told]
        assert told[1].reason == "better"
    one, two = activations(market.log)
    assert [event.decision for event in one] == [event.decision for event in two]


def test_what_cannot_be_put_in_force_is_refused_with_the_reason(market: Market, tmp_path: Path, url: str) -> None:
    """No file, another file, another strategy, no strategy, features that nobody computes; nothing gets on the log."""
    root = tmp_path / "models"
    market.add(vector("BTCUSDT", now(), 1, features={"mid_price": 1.0}))
    write_events(market.log, 0, [StrategyConfigured(START, Strategy("alpha", ("BTCUSDT",)))])
    with serving(tmp_path, url) as api:
        path = "/api/v1/models/v1741079704/activate"

        def refused(path: str, body: object = None) -> str:
            answer = api.post(path, body)
            assert answer.status_code == 400, answer.text
            return str(answer.json()["detail"])

        assert "the file of model v1741079704 is missing" in refused(path)
        stored_file(root, "v1741079704").write_bytes(b"another file")
        assert "the file of model v1741079704 is damaged" in refused(path)
        (root / "v1741079704" / "model.ubj").unlink()
        (root / "v1741079704").rmdir()
        stored_file(root, "v1741079704")
        assert "was trained for alpha, not for beta" in refused(path, {"strategy_id": "beta"})
        stored_file(root, "v5").rename(root / "v5" / "model.json")
        assert "model v5 has no sha256" in refused("/api/v1/models/v5/activate", {"strategy_id": "alpha"})
        assert eventually(lambda: "BTCUSDT" in api.view.vectors and "alpha" in api.view.trading.strategies)
        assert "vectors of BTCUSDT (registry 1.2.0) lack rsi_14" in refused(path)
        assert activations(market.log) == [[], []]
        assert api.post("/api/v1/models/v99/activate").status_code == 404
        forced = api.post(path, {"force": True, "symbol": "BTCUSDT"})

    assert (forced.status_code, forced.json()["is_active"]) == (200, True)
    assert [event.symbol for event in activations(market.log)[1]] == ["BTCUSDT"]


def test_without_a_log_or_a_database_it_is_503(tmp_path: Path, market: Market, url: str) -> None:
    stored_file(tmp_path / "models", "v1741079704")

    def away() -> Log:
        raise OSError("no log here")

    with running(away, tmp_path, database_url=url) as api:
        answer = api.post("/api/v1/models/v1741079704/activate")
    with serving(tmp_path, None) as api:
        without = api.get("/api/v1/models")

    assert (answer.status_code, "the log is away" in answer.json()["detail"]) == (503, True)
    assert (without.status_code, "the database is away" in without.json()["detail"]) == (503, True)


@pytest.mark.req("TK-MS-12", "TK-GR-05")
def test_health_tells_of_model_files_and_of_dataset_builds(market: Market, tmp_path: Path, url: str) -> None:
    """A model in force whose file is gone is degraded, and named."""
    path = stored_file(tmp_path / "models", "v1741079704")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update model_versions set is_active = true where version = 'v1741079704'")
        connection.execute(
            "insert into datasets (symbol, split_strategy, target_config, feature_registry_version)"
            " values ('A', 'time_based', '{}', '1')"
        )
        connection.execute(
            "insert into dataset_building_metrics (dataset_id, symbol, build_started_at, build_completed_at,"
            " build_status, build_duration_seconds, feature_registry_version)"
            " values (gen_random_uuid(), 'A', now(), now() - interval '1 h', 'ready', 7, '1'),"
            " (gen_random_uuid(), 'A', now(), now(), 'ready', 95, '1')"
        )
    probes = [
        Probe("database", DatabaseCheck(url), every=0.1).start(),
        Probe("feature_registry", lambda: "1.2.0", every=0.1).start(),
        Probe("model_files", ModelFiles(url, tmp_path / "models"), every=0.1).start(),
        Probe("datasets", Builds(url), every=0.1).start(),
    ]
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path, probes, url) as api:
        assert eventually(lambda: api.health()["status"] == "healthy")
        well: Any = api.health()
        path.write_bytes(b"something else")
        assert eventually(lambda: api.health()["status"] == "degraded")
        ill: Any = api.health()

    assert (well["active_dataset_builds_count"], well["last_dataset_build_duration_seconds"]) == (1, 95)
    assert well["checks"]["model_storage"]["disk_space"]["total"] > 0
    assert well["checks"]["model_files"]["detail"] == "files of models in force: 1, each the one that was trained"
    assert "model v1741079704" in ill["checks"]["model_files"]["detail"]
    assert "is damaged" in json.dumps(ill["checks"]["model_files"])
