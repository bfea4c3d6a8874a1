"""Who may ask, and what they are told when not."""

import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.keys import Key, key_at
from tests.serving.conftest import KEY, Api

CLOSED = [
    "/",
    "/features/latest?symbol=BTCUSDT",
    "/features/symbols",
    "/openapi.json",
    "/nothing/here",
    "/health/",
    "/metricsx",
]


@pytest.mark.req("FS-FR-024", "TK-OP-03")
@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_needs_the_key(api: Api, path: str) -> None:
    """Also what does not exist: a stranger learns nothing about which paths there are."""
    for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}, {"Authorization": f"Bearer {KEY}"}):
        answer = httpx.get(f"{api.url}{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.json().keys() == {"detail", "error", "trace_id"}


@pytest.mark.req("FS-FR-024")
@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_health_and_metrics_are_open(api: Api, path: str) -> None:
    assert httpx.get(f"{api.url}{path}").status_code == 200


@pytest.mark.req("FS-AS-08")
def test_the_key_is_taken_from_header_or_query(api: Api) -> None:
    assert httpx.get(api.url, headers={"X-API-Key": KEY}).json()["status"] == "running"
    assert httpx.get(api.url, params={"api_key": KEY}).json()["status"] == "running"


@given(st.text(max_size=40))
def test_only_the_key_fits(other: str) -> None:
    key = Key(KEY)
    assert key.fits(KEY)
    assert key.fits(other) is (other == KEY)
    assert not key.fits(None)


@pytest.mark.req("TK-OP-01")
def test_a_trace_id_comes_back_and_a_bad_or_missing_one_is_replaced(api: Api) -> None:
    given = httpx.get(f"{api.url}/nothing", headers={"X-Trace-ID": "abc-1", "X-API-Key": KEY})
    assert (given.headers["X-Trace-ID"], given.json()["trace_id"]) == ("abc-1", "abc-1")
    assert given.status_code == 404
    for bad in ("a b", "x" * 101):
        answer = httpx.get(f"{api.url}/health", headers={"X-Trace-ID": bad})
        assert len(answer.headers["X-Trace-ID"]) == 36


def test_a_key_is_made_once_for_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "api-key"
    key, made = key_at(path)

    assert made
    assert len(key) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert key_at(path) == (key, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_programs_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from serving.keys import key_at; print(*key_at(Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(tmp_path / "api-key")]
    programs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [program.communicate()[0].split() for program in programs]

    assert len({key for key, _ in answers}) == 1
    assert [made for _, made in answers].count("True") == 1
