"""Servers that are away when a flow starts, or go away while it runs: it waits, goes on, and loses nothing."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kafka_server import KafkaServer
from connectors.postgres.embedded import EmbeddedPostgres
from tests.flows.exact import GROWING, LIVE, catches_up, check, reached
from tests.flows.test_lockstep import Collected
from tests.installation import HANGS, Installation

AWAY = 2.0
"""Seconds for which a server stays away."""

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def broker(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker that the tests of this file stop and start."""
    server = KafkaServer(tmp_path_factory.mktemp("broker"), kafka_jars)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A database that a test may stop; not started."""
    with EmbeddedPostgres(folder) as server:
        server.stop()
        yield server


@pytest.mark.kafka
@pytest.mark.slow
def test_a_broker_that_goes_away_and_comes_back_costs_time_and_nothing_else(broker, database_url, tmp_path, start):
    """It stops, and later crashes, under collector and flow: both wait for it, and nobody starts them again.

    Live data: of records that are more than a day old a broker that starts again may take a batch twice.
    """
    installation = Installation(tmp_path / "home", database_url, broker.start())
    collector, flow = start(installation, *LIVE), start(installation, "run")
    for end, vectors in ((broker.stop, 20), (broker.kill, 60)):
        reached(installation, flow, vectors)
        end()
        time.sleep(AWAY)
        assert flow.runs() and collector.runs()
        broker.start()

    catches_up(installation, collector, flow)


@pytest.mark.kafka
@pytest.mark.slow
def test_a_flow_that_finds_no_broker_says_so_and_can_be_started_again(broker, database_url, tmp_path):
    """Exit code 3 after some seconds: whoever started it decides whether to try again."""
    installation = Installation(tmp_path / "home", database_url, broker.start())
    installation.run("collect", "--source", "demo", "--seconds", "60", "--speed", "max")
    broker.stop()
    output = installation.run("run", "--until-end", code=3)
    broker.start()
    installation.run("run", "--until-end")

    assert installation.kafka in output and "Connection refused" in output
    assert "Traceback" not in output
    collected = Collected(installation, [])
    check(collected)
    collected.log.close()


def test_a_database_that_is_away_at_the_start_is_waited_for(database, tmp_path, start):
    """The flow writes nothing before it knows that it is the only writer."""
    installation = Installation(tmp_path / "home", database.url, None)
    installation.run("collect", "--source", "demo", "--seconds", "60", "--speed", "max")
    flow = start(installation, "run", "--until-end")
    flow.says("lease.database_away")
    collected = Collected(installation, [])
    assert collected.written("") == 0
    database.start()
    flow.end()

    check(collected)
    collected.log.close()


IMPATIENT = """
import sys
from pathlib import Path
from cli.context import clear_errors
from connectors.log.sqlite import SqliteLog
from connectors.postgres.lease import Lease
from dataflows import features as recipe
from dataflows.job import Job
from tests.flows.made import FULL, parse_registry

url, home = sys.argv[1], Path(sys.argv[2])
job = Job(recipe, SqliteLog(home / "session" / "log"), 2, parse_registry(FULL.read_text(), where="full.yaml"))
job.prepare(home / "recovery", "a test")
with clear_errors():
    job.live(home / "recovery", take=Lease(url, "features/0", patience=0.5).shard, until_end=True)
"""


def test_a_database_that_stays_away_ends_the_flow_with_a_clear_message(database, tmp_path):
    """Exit code 3, and nothing was written."""
    installation = Installation(tmp_path / "home", database.url, None)
    installation.run("collect", "--source", "demo", "--seconds", "60", "--speed", "max")
    command = [sys.executable, "-c", IMPATIENT, database.url, str(installation.home)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)

    assert ended.returncode == 3
    assert "lockstep: the database did not answer for" in ended.stderr
    assert "features/0" in ended.stderr
    collected = Collected(installation, [])
    assert collected.written("") == 0
    collected.log.close()


def test_a_database_that_goes_away_during_the_run_costs_time_and_nothing_else(database, tmp_path, start):
    """The flow holds still until it knows again that it is the only writer."""
    installation = Installation(tmp_path / "home", database.start(), None)
    collector, flow = start(installation, *GROWING), start(installation, "run")
    reached(installation, flow, 20)
    database.stop()
    flow.says("lease.database_away")
    time.sleep(AWAY)
    database.start()

    catches_up(installation, collector, flow)
