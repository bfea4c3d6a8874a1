"""10,000 signals through broker restarts and kill -9: none lost, repeats the same to the byte, order per asset kept."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import psycopg
import pytest

from connectors.log import NewRecord
from connectors.pace import wall_clock
from connectors.rabbitmq.outgoing import WINDOW
from connectors.rabbitmq.signal_message import QUEUE
from schemas.codec import encode
from schemas.topics import SIGNALS, shard_of
from tests.bridge.made import signal as made
from tests.bridge.queues import drain
from tests.fix_rabbitmq import RabbitServer
from tests.installation import HANGS, Installation, kill

COUNT = 10_000
CHUNK = 100
SYMBOLS = tuple(f"COIN{number:02d}USDT" for number in range(20))


class Writer(threading.Thread):
    """Appends the signals to the log, some hundred a second, in turn for every symbol."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True)
        self.installation = installation
        self.written = 0
        self.order: dict[str, list[str]] = defaultdict(list)

    def run(self) -> None:
        log = self.installation.log()
        for first in range(0, COUNT, CHUNK):
            batches: dict[int, list[NewRecord]] = defaultdict(list)
            for number in range(first, first + CHUNK):
                symbol = SYMBOLS[number % len(SYMBOLS)]
                record = made(number, symbol, wall_clock())
                self.order[symbol].append(record.signal_id)
                shard = shard_of(symbol, self.installation.shards)
                batches[shard].append(NewRecord(symbol.encode(), encode(record), record.ts))
            for shard, records in batches.items():
                log.append(SIGNALS.name, shard, records)
            self.written = first + CHUNK
            time.sleep(0.1)
        log.close()


class Published:
    """How far the bridge says it is, of both shards together."""

    def __init__(self, database_url: str) -> None:
        self.connection = psycopg.connect(database_url, autocommit=True)

    def until(self, number: int) -> None:
        query = "select sum(position) from bridge_positions where name = %s"
        deadline = time.monotonic() + HANGS
        while int(self.connection.execute(query, [QUEUE]).fetchone()[0] or 0) < number:
            assert time.monotonic() < deadline, f"hung waiting for {number} published"
            time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.req("MS-EC-05", "MS-FR-006", "MS-SC-002")
def test_ten_thousand_signals_survive_restarts_and_kills(
    rabbitmq_server: RabbitServer, database_url: str, tmp_path: Path
) -> None:
    installation = Installation(tmp_path / "home", database_url, kafka=None)
    installation.settings |= {"AMQP_URL": rabbitmq_server.start(), "LOCKSTEP_ACCOUNT": "live"}
    installation.run("migrate", "up")
    log = installation.log()
    log.create(SIGNALS.name, installation.shards)
    output = (tmp_path / "output").open("w+")

    def start() -> subprocess.Popen[str]:

        command = ["bridge", "--from", "beginning", "--no-positions", "--balances", "off", "--fills", "off"]
        return subprocess.Popen(
            [sys.executable, "-m", "cli.main", *command, "--age-limit", "3600", "--every", "0"],
            env=installation.environment, stdout=output, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    writer, published = Writer(installation), Published(database_url)
    bridge = start()
    writer.start()
    for step, number in enumerate((1_000, 2_500, 4_000, 5_500, 7_000)):
        published.until(number)
        if step % 2 == 0:
            kill(bridge)
            bridge = start()
        else:
            rabbitmq_server.stop(signal.SIGKILL if step == 1 else signal.SIGTERM)
            rabbitmq_server.start()
    published.until(COUNT)
    bridge.send_signal(signal.SIGTERM)
    bridge.wait(timeout=60)
    output.seek(0)
    assert bridge.returncode == 0, output.read()[-3000:]
    writer.join()

    bodies: dict[str, bytes] = {}
    first_seen: dict[str, list[str]] = defaultdict(list)
    messages = drain(rabbitmq_server.url, QUEUE, lambda found: len(found) >= COUNT)
    for message in messages:
        found = json.loads(message.body)
        assert message.delivery_mode == 2 and message.content_type == "application/json"
        assert message.headers["trace_id"] == found["trace_id"]
        if found["signal_id"] not in bodies:
            bodies[found["signal_id"]] = message.body
            first_seen[found["asset"]].append(found["signal_id"])
        assert bodies[found["signal_id"]] == message.body, "a repeat is the same to the byte"

    assert first_seen == writer.order
    assert len(messages) - COUNT <= 5 * 2 * WINDOW, "a break repeats no more than what was under way"
