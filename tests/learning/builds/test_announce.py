"""Word on RabbitMQ: one message for each dataset that is ready, and a broker that is away loses none."""

import asyncio
import json
from pathlib import Path

import aio_pika
import pytest

from connectors.log import open_log
from learning.builds import announce
from learning.builds.announce import Announcer
from learning.builds.worker import Worker
from learning.datasets.errors import DatasetError
from schemas.topics import TOPICS
from tests.learning.builds.made import Steps, ask, row
from tests.learning.datasets.session import SHARDS


async def received(url: str) -> list[dict]:
    """Everything in the queue."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("features.dataset.ready", durable=True)
        found = []
        while (message := await queue.get(fail=False, no_ack=True)) is not None:
            found.append(json.loads(message.body))
        return found


@pytest.mark.req("FS-FR-016", "FS-US-2.1", "FS-FR-037", "FS-FR-053")
def test_a_ready_dataset_is_told_on_the_queue_once_also_after_the_broker_was_away(
    url: str, amqp_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that failed is not: that queue knows only ready ones."""
    log = open_log(None, tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS)
    make = Steps()
    make.go.set()
    bad, good = ask(url, tmp_path, 1), ask(url, tmp_path)

    def some(request, registry, folder, progress):
        if request.dataset_id == str(bad):
            raise DatasetError("no")
        return make(request, registry, folder, progress)

    monkeypatch.setattr(announce, "PATIENCE", 0.5)
    Worker(url, some, Announcer(url, log, SHARDS, "amqp://nobody@127.0.0.1:1/")).run(until_empty=True)
    assert row(url, good)["metadata"]["announced"] == ["log"]
    monkeypatch.undo()
    for _ in range(2):
        Announcer(url, log, SHARDS, amqp_url)()
    log.close()

    ours = [one for one in asyncio.run(received(amqp_url)) if one["dataset_id"] in (str(good), str(bad))]
    (message,) = ours
    assert (message["dataset_id"], message["status"], message["symbol"]) == (str(good), "ready", "AAAA")
    assert (message["train_records"], message["test_records"], message["trace_id"]) == (7, 0, "trace-7")
    assert message["splits_info"]["train"] == {"start": 0, "end": 1, "rows": 7}
    assert message["download_urls"]["train"] == f"/dataset/{good}/download?split=train"
    assert row(url, good)["metadata"]["announced"] == ["log", "queue"]
