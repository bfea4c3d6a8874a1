"""Fixtures: a real RabbitMQ; one that listens already, a container, or Debian's own server with a node of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.fix_kafka import _docker_answers

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's server itself: the one on the path changes user and folder first."""
HANGS = 120.0
CONFIG = """\
loopback_users = none
listeners.tcp.1 = 127.0.0.1:{port}
log.file.level = warning
"""


class RabbitServer:
    """One broker on loopback; everything it keeps is in ``directory``, so that a restart finds its queues."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, self.distribution, self.names = (free_port() for _ in range(3))
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> str:
        """Start the broker and wait until it accepts connections; returns its address."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "rabbitmq.conf").write_text(CONFIG.format(port=self.port))
        (self.directory / "plugins").write_text("[].\n")
        # The names of Erlang's nodes are kept by a process that would outlive the broker, were it not ours.
        self._run("epmd", "-port", str(self.names), "-address", "127.0.0.1", "-relaxed_command_check")
        wait_for(lambda: listens(self.names), "epmd", self.output)
        self._run(str(PROGRAM))
        wait_for(lambda: speaks(self.port), "RabbitMQ", self.output)
        return self.url

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the broker, and everything that it started, by process id: in good order, or with kill -9 at once."""
        for process in reversed(self.processes):
            family = [*children(process.pid), psutil.Process(process.pid)]
            # The script around the virtual machine ends with it, and would end nothing by itself.
            first = [one for one in family if name(one) == "beam.smp"] or family
            for member in first:
                with suppress(psutil.Error):
                    member.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30.0)
            for member in family:
                with suppress(psutil.Error):
                    member.kill()
            process.wait()
            wait_for(lambda family=family: all(ended(one) for one in family), "the end of RabbitMQ", self.output)
        self.processes.clear()

    def output(self) -> str:
        """What the broker said, for a failure."""
        return (self.directory / "output").read_text(errors="replace")[-3000:]

    def _run(self, *command: str) -> None:
        with (self.directory / "output").open("ab") as output:
            self.processes.append(
                subprocess.Popen(
                    command,
                    env=self._environment(),
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )

    def _environment(self) -> dict[str, str]:
        place = str(self.directory)
        return os.environ | {
            "HOME": place,
            "RABBITMQ_NODENAME": f"lockstep{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_CONFIG_FILE": f"{place}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{place}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{place}/data",
            "RABBITMQ_LOG_BASE": f"{place}/log",
            "RABBITMQ_PID_FILE": f"{place}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self.names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }


@pytest.fixture(scope="session")
def rabbitmq_program() -> Path:
    """Debian's server. Where it is missing the test is skipped; in CI that is a failure."""
    if not PROGRAM.exists() or not shutil.which("epmd"):
        missing("no RabbitMQ here: install rabbitmq-server, or set AMQP_URL")
    return PROGRAM


@pytest.fixture(scope="session")
def amqp_url(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker that all tests share: use queues of your own, and leave it running."""
    if given := os.environ.get("AMQP_URL"):
        yield given
    elif _docker_answers():
        from testcontainers.core.container import DockerContainer

        with DockerContainer("rabbitmq:3").with_exposed_ports(5672) as container:
            port = int(container.get_exposed_port(5672))
            wait_for(lambda: speaks(port), "RabbitMQ", container.get_logs)
            yield f"amqp://guest:guest@127.0.0.1:{port}/"
    else:
        request.getfixturevalue("rabbitmq_program")
        server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
        try:
            yield server.start()
        finally:
            server.stop(signal.SIGKILL)


@pytest.fixture
def rabbitmq_server(rabbitmq_program: Path, tmp_path: Path) -> Iterator[RabbitServer]:
    """A broker of the test's own, not yet started, to stop, kill and start again."""
    server = RabbitServer(tmp_path / "rabbitmq")
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)


def missing(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1.0)
        return one.connect_ex(("127.0.0.1", port)) == 0


def speaks(port: int) -> bool:
    """Whether a broker answers: one that is starting up or going down does not yet, or no longer."""
    with socket.socket() as one, suppress(OSError):
        one.settimeout(2.0)
        one.connect(("127.0.0.1", port))
        one.sendall(b"AMQP\x00\x00\x09\x01")
        return one.recv(1) == b"\x01"
    return False


def children(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def ended(process: psutil.Process) -> bool:
    """Whether it runs no more; one that nobody waited for stays listed."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return ""


def wait_for(condition: Callable[[], bool], what: str, output: Callable[[], object]) -> None:
    deadline = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < deadline, f"hung waiting for {what}:\n{output()}"
        time.sleep(0.05)
