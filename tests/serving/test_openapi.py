"""The whole OpenAPI document of the real application against what it answers: schemathesis, with every check on.

What it asks for exists: the log holds a session with what flows made of it, the database a model, datasets, a backfill,
signals, and the registries are those that come along. Nothing is left out: what deletes, deletes what the fixture made
for it, and what asks for work only puts it into a queue, because nobody works it off here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import schemathesis
from schemathesis.engine import Status, events, from_schema

from connectors.log import Log
from connectors.log.sqlite import SqliteLog
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.migrate import Migrator
from learning.builds.announce import Announcer
from learning.builds.work import maker
from learning.builds.worker import Worker
from learning.registries.files import RegistryFiles
from learning.registries.where import Where
from learning.registry.versions import record_version
from serving.backfill_rules import BackfillRules
from tests.learning.datasets.session import SHARDS, at, make_log
from tests.learning.registry.made import record, stored_file
from tests.persist.written import story, write
from tests.serving.conftest import KEY, REGISTRIES, Api, eventually, registries, running
from tests.serving.learning import body, utc
from tests.serving.trading import stored

SEED = 20250304
EXAMPLES = 3
"""Requests that are made up for each operation and kind of data, beside those that go to each field's limits."""
REFUSALS = ["2xx", "400", "404", "409"]
"""What a request may be answered that fits the schema: also that it makes no sense just now, with the reason. 422, the
framework's word for what does not fit, is none of them."""
NOT_DONE = {
    "POST /api/v1/training/trigger": "no strategy of the session trains",
    "POST /api/v1/training/dataset/build": "no strategy of the session trains",
    "POST /model/evaluate": "the model is a record without a model behind it",
}
"""Operations that need not have a good answer here, and why."""


@dataclass
class Described:
    """The API, and requests that make sense, by operation."""

    api: Api
    examples: dict[str, dict[str, Any]]

    def document(self) -> dict[str, Any]:
        """The OpenAPI document with these examples in the place of its own."""
        document: dict[str, Any] = self.api.get("/openapi.json").json()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                known = self.examples["*"] | self.examples.get(f"{method.upper()} {path}", {})
                for parameter in operation.get("parameters", []):
                    if parameter["name"] in known:
                        parameter["schema"].pop("examples", None)
                        parameter["example"] = known[parameter["name"]]
                if "body" in known:
                    operation["requestBody"]["content"]["application/json"]["example"] = known["body"]
        return document


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Iterator[Described]:
    home = tmp_path_factory.mktemp("openapi")
    with psycopg.connect(postgres.start(), autocommit=True) as connection:
        connection.execute("create database openapi")
    url = postgres.url.replace("/lockstep?", "/openapi?")
    Migrator(url).up()

    def open_log() -> SqliteLog:
        return SqliteLog(home / "log")

    log = make_log(home / "log", seconds=1000, faults=False)
    for shard in range(SHARDS):
        write(log, story(1, shard, 0, 40))
    stored(log, url)
    with psycopg.connect(url, autocommit=True) as connection:
        record_version(connection, record(), 61.4)
    stored_file(home / "models", record().version)
    files = RegistryFiles(REGISTRIES, home / "feature_registry")
    where = Where(files, url, open_log, lambda: "1.2.0", symbols=("AAAA",))
    rules = BackfillRules(enabled=True, auto=True, active=lambda: "1.2.0")
    with running(open_log, home, database_url=url, feature_registries=where, backfill=rules) as api:
        assert eventually(lambda: api.view.ready)
        yield Described(api, made(api, log, url))
    log.close()


def made(api: Api, log: Log, url: str) -> dict[str, dict[str, Any]]:
    """Make what operations ask for; how to ask for it."""
    datasets = [str(posted(api, "/dataset/build", body())["dataset_id"]) for _ in range(2)]
    Worker(url, maker(log, SHARDS, registries), Announcer(url, log, SHARDS)).run(until_empty=True)
    days = {"symbol": "SOLUSDT", "start_date": "2025-02-20", "end_date": "2025-02-22", "data_types": ["klines"]}
    jobs = [str(posted(api, "/backfill/historical", days)["job_id"]) for _ in range(2)]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update backfill_jobs set status = 'failed' where id = %s", [jobs[1]])
        (signal,) = connection.execute("select signal_id::text from trading_signals limit 1").fetchone() or ("",)
    config = api.get("/feature-registry/versions/1.0.0").json()["config"]
    posted(api, "/feature-registry/versions", {"version": "9.0.0", "config": config | {"version": "9.0.0"}})
    times = {"start_time": "2025-03-04T00:00:00Z", "end_time": "2025-03-05T00:00:00Z"}
    quarters = {name: value for name, value in body().items() if "period" in name}
    return {
        "*": {"dataset_id": datasets[0], "job_id": jobs[0], "signal_id": signal, "strategy_id": "alpha", **times},
        "GET /features/latest": {"symbol": "AAAA"},
        "GET /data-quality/report": {"symbol": "AAAA", "from": utc(at(0)), "to": utc(at(10))},
        "POST /dataset/build": {"body": body()},
        "POST /dataset/{dataset_id}/resplit": {"body": quarters},
        "DELETE /dataset/{dataset_id}": {"dataset_id": datasets[1]},
        "POST /backfill/{job_id}/retry": {"job_id": jobs[1]},
        "POST /backfill/historical": {"body": days},
        "GET /feature-registry/versions/{version}": {"version": "1.0.0"},
        "POST /feature-registry/versions/{version}/activate": {
            "version": "1.1.0",
            "body": {"acknowledge_breaking_changes": True},
        },
        "DELETE /feature-registry/versions/{version}": {"version": "9.0.0"},
        "POST /feature-registry/versions": {"body": {"version": "9.1.0", "config": config | {"version": "9.1.0"}}},
        "POST /api/v1/models/{version}/activate": {"body": {"strategy_id": "alpha", "reason": "it is good"}},
        "POST /model/evaluate": {
            "body": {"dataset_id": datasets[0], "split": "test", "model_version": record().version}
        },
    }


def posted(api: Api, path: str, asked: Any) -> Any:
    answer = api.post(path, asked)
    assert answer.status_code in (201, 202), answer.text
    return answer.json()


class Run:
    """What came of all requests: failures in words, and answers by operation and status."""

    def __init__(self, described: Described) -> None:
        self.failures: list[str] = []
        self.answers: dict[str, Counter[int]] = defaultdict(Counter)
        self.checks: Counter[str] = Counter()
        config = schemathesis.Config.from_dict(
            {
                "seed": SEED,
                "base-url": described.api.url,
                "headers": {"X-API-Key": KEY},
                "request-timeout": 60,
                "continue-on-failure": True,
                "generation": {"max-examples": EXAMPLES, "deterministic": True, "no-shrink": True, "database": "none"},
                "phases": {"stateful": {"enabled": False}},
                "checks": {"positive_data_acceptance": {"expected-statuses": REFUSALS}},
            }
        )
        schema = schemathesis.openapi.from_dict(described.document(), config=config)
        for event in from_schema(schema).execute():
            self._take(event)

    def _take(self, event: Any) -> None:
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            self.failures.append(f"{event.label}: {event.info}")
        if not isinstance(event, events.ScenarioFinished):
            return
        recorder = event.recorder
        for asked in recorder.interactions.values():
            if asked.response is not None and asked.request.method in recorder.label:
                self.answers[recorder.label][asked.response.status_code] += 1
        for check in (check for checks in recorder.checks.values() for check in checks):
            self.checks[check.name] += 1
            if check.status == Status.FAILURE and check.failure_info:
                failure = check.failure_info
                self.failures.append(
                    f"{recorder.label}: {check.name}: {failure.failure.title}: {failure.failure.message[:500]}\n"
                    f"    {failure.code_sample[:700]}"
                )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.req("TK-OP-03")
def test_every_operation_answers_as_the_document_says(described: Described) -> None:
    """Status codes, content types, bodies, headers, methods, keys; what fits is taken, and what does not is refused.

    And every operation does what it is for at least once, or the reason why not stands here.
    """
    run = Run(described)
    poor = {label for label, answers in run.answers.items() if not any(200 <= status < 300 for status in answers)}

    assert not run.failures, "\n\n".join(run.failures[:20])
    assert poor <= NOT_DONE.keys()
    assert len(run.answers) == sum(map(len, described.api.get("/openapi.json").json()["paths"].values()))
    assert not {status for answers in run.answers.values() for status in answers if status >= 500}
