"""Starting and stopping one Apache Kafka node in a folder of its own."""

import logging
import os
import signal
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connectors.kafka_server.jars import KafkaServerError, fetch_jars, program

START_SECONDS = 60.0
STOP_SECONDS = 20.0
JAVA = ("-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")

SETTINGS = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
num.partitions=1
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
# A broker that crashed may register again after this, instead of nine seconds.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# Retention and compaction within seconds, for topics that ask for short times.
log.initial.task.delay.ms=500
log.retention.check.interval.ms=1000
log.cleaner.backoff.ms=500
log.cleaner.dedupe.buffer.size=2097152
log.segment.delete.delay.ms=1000
"""


class KafkaServer:
    """One broker that is also its own controller, on loopback; everything it keeps is in ``directory``.

    A second ``start``, also by another program, keeps data and ports, and finds a running broker instead of starting
    another. It outlives the program that started it: ``stop`` it.
    """

    def __init__(self, directory: Path, jars: Path) -> None:
        self._directory = directory.absolute()
        self._jars = jars.absolute()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The broker's process id, or None when it does not run."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        try:
            pid = int((self._directory / "pid").read_text())
            ours = str(self._settings) in psutil.Process(pid).cmdline()
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return pid if ours else None

    @property
    def bootstrap(self) -> str:
        """The address for clients, ``127.0.0.1:port``; the same for the life of the folder."""
        for line in self._settings.read_text().splitlines():
            if line.startswith("advertised.listeners="):
                return line.rpartition("//")[2]
        raise KafkaServerError(f"{self._settings} names no advertised.listeners: remove {self._directory}")

    def start(self) -> str:
        """Start the broker, wait until it answers, and return its address.

        Raises:
            KafkaServerError: without Java or Maven, or when it does not answer within a minute.
        """
        fetch_jars(self._jars)
        self._directory.mkdir(parents=True, exist_ok=True)
        if not self._settings.exists():
            self._format()
        if self.pid is None:
            self._launch()
        self._wait_until_it_answers()
        return self.bootstrap

    def stop(self) -> None:
        """Stop the broker: politely, then, after twenty seconds, not."""
        if (pid := self.pid) is None:
            return
        os.kill(pid, signal.SIGTERM)
        if not self._gone_within(STOP_SECONDS, pid):
            self.kill()

    def kill(self) -> None:
        """``kill -9``: what a crash looks like."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            self._gone_within(STOP_SECONDS, pid)

    @property
    def _settings(self) -> Path:
        return self._directory / "server.properties"

    @property
    def _output(self) -> Path:
        return self._directory / "kafka.log"

    def _java(self, *arguments: str) -> list[str]:
        return [program("java", "default-jre-headless"), *JAVA, "-cp", f"{self._jars}/*", *arguments]

    def _format(self) -> None:
        port, controller = _free_ports(2)
        draft = self._settings.with_suffix(".draft")
        draft.write_text(SETTINGS.format(port=port, controller=controller, data=self._directory / "data"))
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        command = self._java(
            "kafka.tools.StorageTool", "format", "--ignore-formatted", f"--cluster-id={cluster}", f"--config={draft}"
        )
        result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=START_SECONDS)
        if result.returncode:
            raise KafkaServerError(f"cannot format {self._directory}: {(result.stdout + result.stderr)[-800:]}")
        draft.rename(self._settings)

    def _launch(self) -> None:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._settings)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (self._directory / "pid").write_text(str(self._process.pid))

    def _wait_until_it_answers(self) -> None:
        quiet = logging.getLogger("lockstep.kafka.starting")
        quiet.setLevel(logging.CRITICAL + 1)
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 200,
        }
        client = AdminClient(settings, logger=quiet)
        deadline = time.monotonic() + START_SECONDS
        while self.pid is not None and time.monotonic() < deadline:
            try:
                if client.list_topics(timeout=0.5).brokers:
                    return
            except KafkaException:
                time.sleep(0.05)
        state = "stopped" if self.pid is None else f"did not answer within {START_SECONDS:.0f} s"
        last = self._output.read_text(errors="replace")[-800:]
        self.stop()
        raise KafkaServerError(f"Apache Kafka at {self.bootstrap} {state}; the end of {self._output}:\n{last}")

    def _gone_within(self, seconds: float, pid: int) -> bool:
        deadline = time.monotonic() + seconds
        while _runs(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        if self._process is not None:
            self._process.poll()  # if it was our child, nobody else takes note of its end
        return True


def _runs(pid: int) -> bool:
    """Whether any thread of it is left: the first one may be gone while others still hold files and ports."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
