"""Apache Kafka without Docker."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from connectors.kafka_server import KAFKA_VERSION, KafkaServer, KafkaServerError, fetch_jars, jars
from tests.log.home import Home, read_all, record

pytestmark = pytest.mark.kafka


@pytest.mark.slow
def test_a_restart_keeps_address_and_data(kafka_server: KafkaServer, embedded: Home) -> None:
    """After a stop and after a crash; and a second program finds the running broker, and can stop it."""
    address = kafka_server.start()
    embedded.bootstrap = address
    log = embedded.open()
    log.create("t", 1)
    log.append("t", 0, [record(b"a")])
    pid = kafka_server.pid
    other = KafkaServer(kafka_server._directory, kafka_server._jars)

    assert (other.start(), other.pid) == (address, pid)
    other.stop()
    assert kafka_server.pid is None
    assert not psutil.pid_exists(pid or 0) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert kafka_server.start() == address
    kafka_server.kill()
    assert kafka_server.pid is None
    assert kafka_server.start() == address
    assert [r.value for r in read_all(log, "t")] == [b"a"]


def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    KafkaServer(tmp_path / "never", tmp_path).stop()


def test_another_process_under_an_old_pid_is_left_alone(tmp_path: Path) -> None:
    """The file of a broker that crashed long ago may name a process that is somebody else's by now."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        (tmp_path / "pid").write_text(str(bystander.pid))
        server = KafkaServer(tmp_path, tmp_path)

        assert server.pid is None
        server.stop()
        server.kill()
        assert bystander.poll() is None


def test_a_port_that_is_taken_is_told(kafka_server: KafkaServer) -> None:
    """The address is fixed with the folder; somebody else has the port now."""
    kafka_server._directory.mkdir(parents=True)
    kafka_server._format()
    port = int(kafka_server.bootstrap.rpartition(":")[2])

    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(KafkaServerError, match=r"(?s)Apache Kafka at 127.0.0.1:\d+ stopped.*in use"),
    ):
        kafka_server.start()


@pytest.mark.parametrize(("missing", "package"), [("java", "default-jre-headless"), ("mvn", "maven")])
def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, package: str
) -> None:
    which = shutil.which
    monkeypatch.setattr(jars.shutil, "which", lambda name: None if name == missing else which(name))

    with pytest.raises(KafkaServerError, match=f"`{missing}`, which is not installed: apt-get install {package}"):
        fetch_jars(tmp_path)


def test_a_fetch_that_fails_says_why_and_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maven's own words; an incomplete folder does not count as fetched."""
    broken = tmp_path / "pom.xml"
    broken.write_text("<project>")
    monkeypatch.setattr(jars, "POM", broken)
    (tmp_path / "jars").mkdir()

    with pytest.raises(KafkaServerError, match="Maven could not fetch Apache Kafka"):
        fetch_jars(tmp_path / "jars")
    assert not (tmp_path / "jars" / jars.COMPLETE).exists()


def test_the_version_is_the_one_in_the_pom(kafka_jars: Path) -> None:
    assert (kafka_jars / f"kafka_2.13-{KAFKA_VERSION}.jar").is_file()
