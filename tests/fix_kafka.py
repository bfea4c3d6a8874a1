"""Fixtures: one Apache Kafka for the whole test run, started when the first test asks for it."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kafka_server import KAFKA_VERSION, KafkaServer, KafkaServerError, fetch_jars

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """Apache Kafka's jars, fetched once. Without Java and Maven the test is skipped; in CI that is a failure."""
    try:
        return fetch_jars(ROOT / ".lockstep" / "kafka" / KAFKA_VERSION)
    except KafkaServerError as error:
        if os.environ.get("CI"):
            pytest.fail(f"no Apache Kafka in CI: {error}", pytrace=False)
        pytest.skip(f"no Apache Kafka here: {error}")


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker that all tests share: use topic names of your own, and leave it running."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka"), kafka_jars)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def kafka_server(kafka_jars: Path, tmp_path: Path) -> Iterator[KafkaServer]:
    """A broker of the test's own, not yet started, to stop, kill and start again."""
    server = KafkaServer(tmp_path / "kafka", kafka_jars)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redpanda_bootstrap() -> Iterator[str]:
    """The address of a Redpanda in a container; skipped where no Docker engine answers."""
    if not _docker_answers():
        pytest.skip("no Redpanda here: no Docker engine answers")
    from testcontainers.community.kafka import RedpandaContainer

    with RedpandaContainer() as redpanda:
        yield redpanda.get_bootstrap_server()


def _docker_answers() -> bool:
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(2.0)
        try:
            engine.connect(address.removeprefix("unix://"))
            engine.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b"200" in engine.recv(64)
        except OSError:
            return False
