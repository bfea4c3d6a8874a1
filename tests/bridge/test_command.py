"""``lockstep bridge`` as a person runs it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from connectors.log import NewRecord
from connectors.pace import wall_clock
from connectors.rabbitmq.signal_message import QUEUE
from schemas.codec import encode
from schemas.topics import SIGNALS
from tests.bridge.made import signal as made
from tests.bridge.queues import drain
from tests.bridge.running import until
from tests.installation import HANGS, Installation

OPTIONS = ("--from", "beginning", "--no-positions", "--balances", "off", "--fills", "off", "--every", "0.2", "--json")


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Installation:
    return Installation(tmp_path / "home", database_url, kafka=None)


def start(installation: Installation) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli.main", "bridge", *OPTIONS]
    return subprocess.Popen(
        command, env=installation.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def test_the_bridge_reports_in_json_and_ends_in_good_order(installation, broker):
    """Status lines while it runs, the same line at the end, and numbers for Prometheus."""
    installation.settings |= {"AMQP_URL": broker, "LOCKSTEP_ACCOUNT": "live"}
    process = start(installation)
    first = json.loads(process.stdout.readline())
    log = installation.log()
    log.append(SIGNALS.name, 0, [NewRecord(b"SOLUSDT", encode(made(ts=wall_clock())), 1000)])
    drain(broker, QUEUE, lambda found: found)
    metrics = installation.home / "metrics" / "bridge-0.json"
    until(lambda: '"signals_published"' in (metrics.read_text() if metrics.exists() else ""), "metrics")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=HANGS)

    assert process.returncode == 0 and QUEUE in first["queues"]
    last = json.loads(output.splitlines()[-1])
    assert (last["queues"][QUEUE]["published"], last["refused"]) == (1, 0)
    samples = {one["name"]: one["value"] for one in json.loads(metrics.read_text())["samples"]}
    assert samples["signals_published"] == 1 and samples["published_repeats"] == 0 and 0 <= samples["signal_age"] < 60


def test_a_second_bridge_is_refused(installation, broker):
    """Two would send everything twice: the second one says who the first is, and ends with 5."""
    installation.settings |= {"AMQP_URL": broker, "LOCKSTEP_ACCOUNT": "live"}
    process = start(installation)
    process.stdout.readline()
    try:
        said = installation.run("bridge", *OPTIONS, code=5)
        assert "already has a writer" in said and f"pid {process.pid}" in said
    finally:
        process.terminate()
        process.communicate(timeout=HANGS)


def test_what_is_missing_is_said(installation):
    """Without an address of RabbitMQ, or with a place that is none."""
    installation.settings["AMQP_URL"] = ""
    assert "AMQP_URL is not set" in installation.run("bridge", code=2)
    installation.settings["AMQP_URL"] = "amqp://127.0.0.1:9/"
    assert "--from" in installation.run("bridge", "--from", "noon", code=2)
    assert "LOCKSTEP_ACCOUNT=paper" in installation.run("bridge", code=2)


@pytest.mark.req("MS-EC-05")
def test_the_bridge_waits_for_a_broker_that_is_away(installation, rabbitmq_server):
    """It starts without one, and nothing that was decided meanwhile is lost."""
    installation.settings |= {"AMQP_URL": rabbitmq_server.url, "LOCKSTEP_ACCOUNT": "live"}
    process = start(installation)
    assert json.loads(process.stdout.readline())["queues"][QUEUE]["up"] is False
    log = installation.log()
    for number in range(100):
        log.append(SIGNALS.name, 0, [NewRecord(b"SOLUSDT", encode(made(number, ts=wall_clock())), 1000)])
    time.sleep(0.5)
    rabbitmq_server.start()
    found = drain(rabbitmq_server.url, QUEUE, lambda found: len(found) >= 100)
    process.terminate()
    process.communicate(timeout=HANGS)

    assert len({json.loads(message.body)["signal_id"] for message in found}) == 100
    assert not psutil.pid_exists(process.pid)
