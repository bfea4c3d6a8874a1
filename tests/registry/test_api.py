"""The feature registry over HTTP, by the real application."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import uvicorn

from connectors.log import Log, open_log
from learning.registries.activation import in_force
from learning.registries.where import Where
from serving.app import create_app
from serving.database import Database
from serving.run import listen, no_registry
from serving.site import Site
from serving.view import View
from tests.registry.conftest import SHARDS, config, edited, on_log
from tests.registry.test_versions import carry, dataset
from tests.streams import START

KEY = "a key for the tests only"
ERROR = {"detail", "error", "trace_id"}


@dataclass
class Api:
    """A running API."""

    client: httpx.Client

    def __call__(self, method: str, path: str, status: int, body: Any = None) -> Any:
        """The answer's JSON; the status is the expected one."""
        answer = self.client.request(method, f"/feature-registry{path}", json=body)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.json().keys() == ERROR
        return answer.json() if answer.content else None


@pytest.fixture
def api(where: Where, tmp_path: Path) -> Iterator[Api]:
    """The whole application on a free port, in this process."""
    with running(where, tmp_path) as client:
        yield Api(client)


@contextmanager
def running(where: Where, home: Path) -> Iterator[httpx.Client]:
    """The application over ``where``; a client that brings the key."""
    database = Database(where.url)
    site = Site(home, home / "models", home / "datasets", where.open_log, no_registry, feature_registries=where)
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(View(), [], KEY, database, site), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=120, headers={"X-API-Key": KEY}) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        database.close()
        listening.close()


@pytest.mark.req("FS-FR-039", "FS-FR-023", "FS-US-5.3")
def test_the_active_registry_is_told_with_its_features(api: Api, where: Where) -> None:
    assert "start a flow, or activate a version" in api("GET", "", 404)["detail"]
    in_force(where, "start")
    told = api("GET", "", 200)

    assert told.keys() == {
        "version", "config", "is_active", "validated_at", "validation_errors", "loaded_at", "created_at",
    }  # fmt: skip
    assert (told["version"], told["is_active"], told["validation_errors"]) == ("1.0.0", True, [])
    assert len(told["config"]["features"]) == 29
    assert told["loaded_at"].endswith("Z")


@pytest.mark.req("FS-FR-058", "FS-FR-059", "FS-FR-060", "FS-FR-061", "FS-FR-065", "TK-RG-05")
def test_a_version_is_made_looked_at_activated_and_left_again(api: Api, where: Where, log: Log) -> None:
    grown = where.files.read("1.0.0").config | {"version": "2.0.0"}
    made = api("POST", "/versions", 201, {"version": "2.0.0", "config": grown, "created_by": "anna"})
    assert (made["version"], made["is_active"], made["created_by"]) == ("2.0.0", False, "anna")
    assert made["file_path"] == str(where.files.own / "2.0.0.yaml")
    assert api("POST", "/versions", 409, {"version": "2.0.0", "config": grown})["error"] == "Conflict"
    listed = api("GET", "/versions", 200)
    assert listed[0].keys() == {"version", "is_active", "validated_at", "created_at", "usage_count"}
    assert [one["version"] for one in listed] == ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]

    done = api("POST", "/versions/2.0.0/activate", 200, {"activation_reason": "why not", "created_by": "anna"})
    assert {name: done[name] for name in ("version", "activated", "migration_applied", "hot_reload")} == {
        "version": "2.0.0", "activated": True, "migration_applied": False, "hot_reload": True,
    }  # fmt: skip
    assert (done["previous_version"], done["breaking_changes"]) == ("1.0.0", [])
    row = api("GET", "/versions/2.0.0", 200)
    assert {
        "version", "config", "is_active", "validated_at", "validation_errors", "loaded_at", "created_at", "created_by",
        "activated_by", "previous_version", "schema_version", "compatibility_warnings", "breaking_changes",
    } <= row.keys()  # fmt: skip
    assert (row["is_active"], row["activated_by"], row["previous_version"]) == (True, "anna", "1.0.0")

    back = api("POST", "/rollback", 200, {"rollback_reason": "worse"})
    assert back.keys() == {"rolled_back_from", "rolled_back_to", "rollback_reason", "rollback_timestamp"}
    assert (back["rolled_back_from"], back["rolled_back_to"]) == ("2.0.0", "1.0.0")
    assert {event.version for event in on_log(log) if event} == {"1.0.0"}
    assert "no version before" in api("POST", "/rollback", 400)["detail"]
    actions = [(one["action"], one["changed_by"]) for one in api("GET", "/history", 200)]
    assert actions == [("rolled back", "api"), ("activated", "anna"), ("loaded", "lockstep"), ("created", "anna")]


@pytest.mark.req("FS-FR-065")
def test_breaking_changes_are_listed_and_need_a_yes(api: Api) -> None:
    detail = api("POST", "/versions/1.2.0/activate", 400)["detail"]
    assert "removed: mid_price" in detail["breaking_changes"]
    assert detail["message"].startswith("feature registry 1.2.0 breaks what relies on 1.0.0")
    done = api("POST", "/versions/1.2.0/activate", 200, {"acknowledge_breaking_changes": True})

    assert done["breaking_changes"] == detail["breaking_changes"]
    assert done["migration_applied"]


@pytest.mark.req("FS-EC-05", "FS-EC-06", "FS-FR-041", "FS-FR-040", "TK-RG-07")
def test_what_is_invalid_is_refused_with_every_problem(api: Api, where: Where) -> None:
    wrong = edited(config("2.0.0"), "vwap_3s", lookback_window="1s", lookahead_forbidden=False)
    detail = api("POST", "/versions", 400, {"version": "2.0.0", "config": wrong})["detail"]
    assert detail["validation_errors"] == [
        "vwap_3s: lookback_window: is 1s, but the formula needs 3s",
        "vwap_3s: lookahead_forbidden: must be true, not False: no feature may look ahead",
    ]
    api(
        "POST",
        "/versions",
        201,
        {"version": "2.0.0", "config": where.files.read("1.1.0").config | {"version": "2.0.0"}},
    )
    api("POST", "/versions/2.0.0/activate", 200)
    assert api("GET", "/validate", 200)["is_valid"]
    assert api("POST", "/reload", 200)["version"] == "2.0.0"

    (where.files.own / "2.0.0.yaml").write_text("version: 2.0.0\nfeatures: []")
    assert not api("GET", "/validate", 200)["is_valid"]
    synchronised = api("POST", "/versions/2.0.0/sync-file", 200)
    assert synchronised.keys() >= {"version", "is_valid", "validated_at", "validation_errors"}
    assert (synchronised["is_valid"], len(synchronised["validation_errors"])) == (False, 1)
    assert "validation_errors" in api("POST", "/reload", 400)["detail"]
    assert len(api("GET", "", 200)["config"]["features"]) == 48, "the old one stays active"
    (where.files.own / "2.0.0.yaml").unlink()
    api("POST", "/versions/2.0.0/sync-file", 404)


@pytest.mark.req("FS-FR-060", "FS-FR-066")
def test_an_activation_that_fails_is_rolled_back_and_answered_with_409(
    api: Api,
    where: Where,
    log: Log,
    failing: str,
) -> None:
    grown = where.files.read("1.0.0").config
    bad = grown | {"version": "2.0.0", "features": [*grown["features"], config("x", failing)["features"][0]]}
    api("POST", "/versions", 201, {"version": "2.0.0", "config": bad})
    detail = api("POST", "/versions/2.0.0/activate", 409, {"activation_reason": "try"})["detail"]

    assert detail["rollback"]["rolled_back_from"] == "2.0.0"
    assert detail["rollback"]["rolled_back_to"] == "1.0.0"
    assert "failing cannot be computed" in detail["rollback"]["rollback_reason"]
    assert api("GET", "", 200)["version"] == "1.0.0"
    assert on_log(log) == [None] * SHARDS


@pytest.mark.req("TK-RG-08")
def test_two_activations_at_once_over_http(api: Api, where: Where, log: Log) -> None:
    """One is answered with 200, the other with 409; both shards have the winner's."""
    in_force(where, "start")
    answers: list[httpx.Response] = []
    barrier = threading.Barrier(2)

    def attempt(version: str) -> None:
        barrier.wait()
        body = {"acknowledge_breaking_changes": True, "created_by": version}
        answers.append(api.client.post(f"/feature-registry/versions/{version}/activate", json=body))

    threads = [threading.Thread(target=attempt, args=(version,)) for version in ("1.1.0", "1.2.0")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    won = next(answer.json()["version"] for answer in answers if answer.status_code == 200)
    assert {event.version for event in on_log(log) if event} == {won}
    assert api("GET", "", 200)["version"] == won


@pytest.mark.req("FS-FR-062", "FS-FR-063", "FS-FR-067")
def test_usage_decides_whether_a_version_can_be_deleted(api: Api, where: Where, log: Log) -> None:
    api("POST", "/versions", 201, {"version": "2.0.0", "config": config("2.0.0")})
    built = dataset(where, "2.0.0", "ready")
    used = api("GET", "/versions/2.0.0/usage", 200)
    assert used == {
        "version": "2.0.0", "is_active": False, "active_datasets_count": 1, "feature_computations_count": 0,
        "can_delete": False,
        "usage_details": {
            "datasets": [{"dataset_id": built, "status": "ready"}], "message": "a dataset is made with it",
        },
    }  # fmt: skip
    assert "a dataset is made with it" in api("DELETE", "/versions/2.0.0", 400)["detail"]
    with where.database() as connection:
        connection.execute("delete from datasets")
    carry(log, "2.0.0", [START])
    assert api("GET", "/versions/2.0.0/usage", 200)["feature_computations_count"] == 1
    api("DELETE", "/versions/2.0.0", 400)
    api("POST", "/versions", 201, {"version": "3.0.0", "config": config("3.0.0")})
    assert api("GET", "/versions/3.0.0/usage", 200)["can_delete"]

    assert api("DELETE", "/versions/3.0.0", 204) is None
    api("GET", "/versions/3.0.0", 404)
    api("DELETE", "/versions/3.0.0", 404)
    api("GET", "/versions/3.0.0/usage", 404)
    api("POST", "/versions/3.0.0/activate", 404)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", "%2e%2e", "~" * 60, "\x00", "ä", "'; drop table x"])
def test_odd_versions_are_no_defect(api: Api, name: str) -> None:
    for method, path in (("GET", ""), ("GET", "/usage"), ("POST", "/activate"), ("DELETE", ""), ("POST", "/sync-file")):
        answer = api.client.request(method, f"/feature-registry/versions/{quote(name, safe='')}{path}")
        assert answer.status_code in (404, 405, 422), answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"version": "2.0.0", "config": config("2.0.0", description="\0")},
        {"version": "\0", "config": {}},
        {"version": "2.0.0", "config": config("2.0.0"), "created_by": "\0"},
        {"version": "2.0.0", "config": config("2.0.0"), "migration_script": "select pg_sleep(60)"},
        {"version": "2.0.0", "config": config("2.0.0") | {"x": 10**400}},
    ],
)
def test_odd_requests_are_no_defect(api: Api, where: Where, body: Any) -> None:
    assert api.client.post("/feature-registry/versions", json=body).status_code in (201, 400, 422)


def test_without_a_database_or_a_log_the_answer_is_503(where: Where, tmp_path: Path) -> None:
    away = Where(where.files, f"postgresql://nobody@/none?host={tmp_path}", where.open_log, where.initial)
    with running(away, tmp_path) as client:
        answer = client.get("/feature-registry")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("the database is away")

    nowhere = Where(where.files, where.url, lambda: open_log(None, tmp_path / "nothing"), where.initial)
    with running(nowhere, tmp_path) as client:
        answer = client.post("/feature-registry/versions/1.1.0/activate")
        assert client.get("/feature-registry/versions/1.1.0").status_code == 200
    assert answer.status_code == 503
    assert "start a flow" in answer.json()["detail"]
