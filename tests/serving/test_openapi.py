"""The whole OpenAPI document of the real application against what it answers: schemathesis, with every check on.

What it asks for exists: the log holds a session with what flows made of it, the database a model, datasets, a backfill,
signals, and the registries are those that come along. Nothing is left out: what deletes, deletes what the fixture made
for it, and what asks for work only puts it into a queue, because nobody works it off here.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

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


@dataclass
class Run:
    """What came of all requests: failures in words, and how often each operation answered with each status."""

    failures: list[str]
    answers: dict[str, dict[str, int]]


def asked_for_everything(described: Described) -> Run:
    """Ask, in a process of its own."""
    question = {"document": described.document(), "url": described.api.url, "key": KEY}
    command = [sys.executable, str(Path(__file__).with_name("openapi_run.py"))]
    done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    return Run(**json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.req("TK-OP-03")
def test_every_operation_answers_as_the_document_says(described: Described) -> None:
    """Status codes, content types, bodies, headers, methods, keys; what fits is taken, and what does not is refused.

    And every operation does what it is for at least once, or the reason why not stands here.
    """
    run = asked_for_everything(described)
    poor = {label for label, answers in run.answers.items() if not any(200 <= int(status) < 300 for status in answers)}

    assert not run.failures, "\n\n".join(run.failures[:20])
    assert poor <= NOT_DONE.keys()
    assert len(run.answers) == sum(map(len, described.api.get("/openapi.json").json()["paths"].values()))
    assert not {status for answers in run.answers.values() for status in answers if int(status) >= 500}
