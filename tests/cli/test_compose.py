"""The compose file and the image: what can be checked without a container engine, and with one where there is one."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose.yaml"
OURS = {str(field.validation_alias) for field in Settings.model_fields.values()}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def test_has_the_servers_and_our_image_and_no_version_key(compose: dict[str, Any]) -> None:
    assert {"redpanda", "postgres", "rabbitmq", "lockstep"} <= compose["services"].keys()
    assert "version" not in compose


def test_every_service_has_an_image_a_health_check_and_comes_back(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "image" in service or "build" in service, name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name


def test_no_image_floats(compose: dict[str, Any]) -> None:
    """Except ours, which is built from this folder."""
    for name, service in compose["services"].items():
        if "build" not in service:
            assert re.search(r":v?\d", service["image"]), name


def test_every_port_is_on_loopback_and_used_once(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports) > 0


def test_what_must_survive_is_on_named_volumes_and_each_is_used(compose: dict[str, Any]) -> None:
    used = [mount.split(":")[0] for service in compose["services"].values() for mount in service.get("volumes", [])]
    named = {mount for mount in used if not mount.startswith(".")}

    assert named == compose["volumes"].keys()
    for mount in set(used) - named:
        assert (ROOT / mount).exists(), mount


def test_dependencies_exist_and_are_waited_for(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, how in service.get("depends_on", {}).items():
            assert name in compose["services"]
            assert how == {"condition": "service_healthy"}


def test_our_service_is_given_real_settings_and_addresses_of_real_services(compose: dict[str, Any]) -> None:
    """A misspelt setting would be ignored, and the embedded server used instead."""
    environment = compose["services"]["lockstep"]["environment"]
    assert environment.keys() <= OURS
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "AMQP_URL"):
        host = re.split(r"[@/]", environment[name].rsplit(":", 1)[0])[-1]
        assert host in compose["services"], name


def test_prometheus_asks_the_api(compose: dict[str, Any]) -> None:
    scraped = yaml.safe_load((ROOT / "config" / "prometheus.yaml").read_text())["scrape_configs"][0]
    host, port = scraped["static_configs"][0]["targets"][0].split(":")

    assert port == compose["services"][host]["environment"]["LOCKSTEP_API_PORT"]


def test_the_image_runs_as_nobody_special_with_locked_dependencies() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    starts = [line.split()[0] for line in lines if line and not line.startswith((" ", "#"))]

    assert "USER lockstep" in lines
    assert starts.index("USER") < starts.index("ENTRYPOINT")
    assert 'ENTRYPOINT ["lockstep"]' in lines
    assert any("--require-hashes" in line and "requirements.lock" in line for line in lines)


def test_secrets_and_state_stay_out_of_the_image() -> None:
    assert {".env", ".lockstep", ".git", ".venv"} <= set((ROOT / ".dockerignore").read_text().split())


def test_the_engine_accepts_the_file() -> None:
    """Only where the compose plugin is installed."""
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    done = subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE), "config", "--quiet"], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
