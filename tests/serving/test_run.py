"""The API as a program: started, found, asked, stopped."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from serving.run import PortTaken, listen
from tests.serving.conftest import eventually


def start(home: Path, port: int = 0) -> subprocess.Popen[str]:
    """``lockstep serve`` with a database address at which nobody answers."""
    settings = {
        "LOCKSTEP_HOME": str(home),
        "LOCKSTEP_API_PORT": str(port),
        "DATABASE_URL": f"postgresql://nobody@/none?host={home}",
    }
    command = [sys.executable, "-m", "cli.main", "serve"]
    return subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.PIPE, text=True)


def stop(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=60)[1]


def test_runs_shows_a_new_key_once_says_where_it_listens_and_ends_cleanly(tmp_path: Path) -> None:
    """With the database away from the start: that is health's to report."""
    address, said = tmp_path / "api.json", []
    for _ in range(2):
        process = start(tmp_path)
        assert eventually(address.exists)
        url = json.loads(address.read_text())["url"]
        key = (tmp_path / "api-key").read_text().strip()
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"X-API-Key": key}).json()["status"] == "running"
        assert eventually(lambda url=url: httpx.get(f"{url}/health").json()["feature_registry_loaded"])  # type: ignore[misc]
        assert httpx.get(f"{url}/health").json()["database_connected"] is False
        said.append(stop(process))
        assert process.returncode == 0
        assert not address.exists()

    assert key in said[0]
    assert key not in said[1]
    assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600


def test_a_port_in_use_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(tmp_path, taken.getsockname()[1])
        said = process.communicate(timeout=60)[1]

    assert process.returncode == 5
    assert "LOCKSTEP_API_PORT" in said
    assert "Traceback" not in said


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(PortTaken, match=r"cannot listen on 192\.0\.2\.1:0"):
        listen("192.0.2.1", 0)


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Without the option each answer takes 40 ms more, on loopback too."""
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
