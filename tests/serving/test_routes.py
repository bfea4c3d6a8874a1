"""What holds for every route: described with examples, traced, logged, and calm while the database is away."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from connectors.log import open_log
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.migrate import Migrator
from tests.serving.conftest import KEY, Api, Market, eventually, now, running, vector
from tests.serving.learning import body
from tests.serving.trading import got, serving

HISTORY = [
    "/api/v1/signals",
    "/api/v1/signals/00000000-0000-0000-0000-000000000000",
    "/api/v1/decisions",
    "/api/v1/strategies",
    "/api/v1/strategies/alpha/performance/time-series",
    "/api/v1/monitoring/models/performance",
]
NOW = [
    "/api/v1/signals/latest",
    "/api/v1/decisions/latest",
    "/api/v1/positions",
    "/api/v1/monitoring/health",
    "/api/v1/monitoring/signals/skip-metrics",
    "/api/v1/monitoring/signals/processing-delay",
]


@pytest.mark.req("MS-FR-017", "MS-SC-008")
@pytest.mark.parametrize("path", HISTORY)
def test_without_a_database_history_is_503_and_says_so(api: Api, path: str) -> None:
    answer = api.get(path)

    assert answer.status_code == 503
    assert answer.json().keys() == {"detail", "error", "trace_id"}
    assert answer.json()["error"] == "Service Unavailable"
    assert answer.json()["detail"].startswith("the database is away, so there is no history now: ")
    assert answer.json()["trace_id"] == answer.headers["X-Trace-ID"]
    assert "Traceback" not in answer.text


@pytest.mark.req("MS-SC-008")
@pytest.mark.parametrize("path", NOW)
def test_without_a_database_what_is_now_is_answered(api: Api, path: str) -> None:
    assert api.get(path).status_code == 200


def test_a_database_without_our_tables_says_what_to_do(market: Market, tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path, database_url) as api:
        answer = api.get("/api/v1/decisions")

    assert answer.status_code == 503
    assert "lockstep migrate up" in answer.json()["detail"]


@pytest.mark.req("MS-SC-008")
def test_a_database_that_goes_and_comes_is_found_again(market: Market, tmp_path: Path) -> None:
    """Kept connections that died with it are no reason for an error once it is back."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    Migrator(server.start()).up()
    with serving(tmp_path, server.url) as api:
        for _ in range(2):
            assert got(api, "/api/v1/signals")["total"] == 0
            server.stop()
            assert api.get("/api/v1/signals").status_code == 503
            server.start()
            assert got(api, "/api/v1/decisions")["total"] == 0
            server.stop()
            server.start()
            assert got(api, "/api/v1/decisions")["total"] == 0
    server.stop()


@pytest.mark.req("TK-OP-01")
@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/features/symbols", *NOW, *HISTORY])
def test_a_trace_id_is_taken_returned_and_on_the_request_line(api: Api, path: str) -> None:
    """One line for each request: method, path without the query, status, time; the key is nowhere."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = api.client.get(f"{api.url}{path}", params={"api_key": KEY}, headers={"X-Trace-ID": "trace-7"})
        assert answer.headers["X-Trace-ID"] == "trace-7"
        assert eventually(lambda: [line for line in lines if line["event"] == "api.request"])

    found = [line for line in lines if line["event"] == "api.request"]
    assert len(found) == 1
    assert (found[0]["method"], found[0]["path"], found[0]["status"]) == ("GET", path, answer.status_code)
    assert found[0]["ms"] >= 0
    assert {line["trace_id"] for line in lines if line["event"].startswith("api.")} == {"trace-7"}
    assert KEY not in str(lines)


def test_a_stranger_and_a_wrong_path_are_on_a_request_line_too(api: Api) -> None:
    with capture_logs() as lines:
        api.client.get(f"{api.url}/api/v1/signals")
        api.get("/nothing")
        assert eventually(lambda: sum(line["event"] == "api.request" for line in lines) == 2)

    assert [line["status"] for line in lines if line["event"] == "api.request"] == [401, 404]


@pytest.mark.req("TK-OP-01")
def test_a_defect_of_ours_answers_with_the_trace_id_and_logs_it(market: Market, tmp_path: Path) -> None:
    """The database's class is broken on purpose: what we did not foresee is a 500 with the same shape."""
    code = """
import sys, threading, httpx, structlog, uvicorn
from pathlib import Path
from serving.app import create_app
from serving.run import listen
from serving.site import Site
from serving.view import View
class Broken:
    def rows(self, *_):
        raise RuntimeError("unforeseen")
listening = listen("127.0.0.1", 0)
home = Path(sys.argv[1])
app = create_app(View(), [], "key", Broken(), Site(home, home, home, lambda: None, lambda version: None))
server = uvicorn.Server(uvicorn.Config(app, log_config=None))
thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
thread.start()
url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1/signals"
answer = httpx.get(url, headers={"X-API-Key": "key", "X-Trace-ID": "trace-9"}, timeout=30)
print("ANSWER", answer.status_code, answer.headers["X-Trace-ID"], answer.text)
server.should_exit = True
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    answer = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER"))

    assert answer.startswith("ANSWER 500 trace-9 ")
    assert json.loads(answer.split(" ", 3)[3])["trace_id"] == "trace-9"
    assert re.search(r"api\.failed.*trace-9", done.stdout)


@pytest.mark.req("TK-OP-03", "MS-SC-008")
@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nothing", {"X-API-Key": KEY}, 404),
        ("GET", "/stats", {}, 401),
        ("GET", "/stats", {"X-API-Key": "wrong"}, 401),
        ("PUT", "/stats", {"X-API-Key": KEY}, 405),
        ("DELETE", "/dataset/list", {"X-API-Key": KEY}, 405),
        ("GET", "/dataset/no-uuid", {"X-API-Key": KEY}, 422),
        ("GET", "/features/latest", {"X-API-Key": KEY}, 422),
        ("GET", "/api/v1/decisions?until=0.5", {"X-API-Key": KEY}, 422),
        ("POST", "/dataset/build", {"X-API-Key": KEY}, 422),
        ("GET", "/dataset/list", {"X-API-Key": KEY}, 503),
    ],
)
def test_every_kind_of_error_has_the_same_three_keys(
    api: Api, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """``detail``, ``error`` and ``trace_id``, for clients of either specification; a method that is not there is
    answered with those that are."""
    answer = api.client.request(method, f"{api.url}{path}", headers={**headers, "X-Trace-ID": "trace-5"})

    assert answer.status_code == status
    assert answer.json().keys() == {"detail", "error", "trace_id"}
    assert (answer.json()["trace_id"], answer.headers["X-Trace-ID"]) == ("trace-5", "trace-5")
    assert answer.json()["detail"] and answer.json()["error"] == answer.reason_phrase
    assert (answer.headers.get("Allow") is not None) == (status == 405)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"priority": False}, "a number is wanted, not a boolean"),
        ({"every_seconds": "5"}, "a number is wanted, not text"),
        ({"data_leakage_check": 0}, "true or false is wanted, not a number"),
        ({"train_period_start": 5}, "a time is wanted"),
        ({"train_period_start": "1741079704"}, "a time is wanted"),
    ],
)
def test_a_value_of_a_body_is_not_made_into_something_else(api: Api, changes: dict[str, Any], problem: str) -> None:
    answer = api.post("/dataset/build", body(**changes))

    assert answer.status_code == 422
    assert problem in answer.text


@pytest.mark.req("TK-OP-02")
def test_many_requests_at_once_are_all_answered(market: Market, api: Api) -> None:
    """From eight threads, of routes that wait for nothing and of one that asks the log."""
    market.add(vector("BTCUSDT", now(), 1))
    assert eventually(lambda: api.view.symbols == ["BTCUSDT"])
    paths = ["/features/latest?symbol=BTCUSDT", "/health", "/stats/processing", "/api/v1/signals/latest"] * 16

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda path: api.client.get(f"{api.url}{path}", headers={"X-API-Key": KEY}), paths))

    assert [answer.status_code for answer in answers] == [200] * len(paths)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What /openapi.json says."""
    home = tmp_path_factory.mktemp("openapi")
    with running(lambda: open_log(None, home / "log"), home) as api:
        return api.get("/openapi.json").json()


def test_every_route_has_a_model_for_its_answer_and_says_what_it_is(described: Any) -> None:
    assert {*NOW, "/api/v1/signals", "/health", "/features/latest"} <= described["paths"].keys()
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            assert route.get("description"), (path, method)
            answers = [route["responses"][code] for code in ("200", "201", "202", "204") if code in route["responses"]]
            assert len(answers) == 1, (path, method)
            if path not in ("/metrics", "/dataset/{dataset_id}/download") and method != "delete":
                schema = answers[0]["content"]["application/json"]["schema"]
                assert "$ref" in schema.get("items", schema), (path, method)
            assert route["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error"), path


def test_every_field_of_every_answer_has_an_example_or_parts_that_have_one(described: Any) -> None:
    """Or its few values are listed."""
    bare = [
        f"{name}.{field}"
        for name, model in described["components"]["schemas"].items()
        for field, told in model.get("properties", {}).items()
        if "examples" not in model and not explained(told)
    ]

    assert bare == []


def explained(told: dict[str, Any]) -> bool:
    return any(word in json.dumps(told) for word in ('"examples"', '"$ref"', '"enum"', '"const"', '"default"'))
