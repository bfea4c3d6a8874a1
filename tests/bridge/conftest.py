"""A log, a database and an empty broker for each test."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.log import Log, open_log
from connectors.rabbitmq import balance_message, feature_message, order_message, position_message, signal_message
from tests.bridge.queues import empty
from tests.bridge.running import prepare

QUEUES = (
    signal_message.QUEUE,
    position_message.QUEUE,
    balance_message.QUEUE,
    order_message.QUEUE,
    feature_message.LIVE,
    *(f"ws-gateway.{kind}" for kind in ("trade", "ticker", "orderbook", "kline", "funding")),
)


@pytest.fixture
def log(tmp_path: Path, database_url: str) -> Iterator[Log]:
    """An embedded log with every topic, and a migrated database beside it."""
    log = open_log(None, tmp_path / "log")
    prepare(log, database_url)
    yield log
    log.close()


@pytest.fixture
def broker(amqp_url: str) -> str:
    """The address of a broker without any of the bridge's queues."""

    async def clean() -> None:
        for queue in QUEUES:
            await empty(amqp_url, queue)

    asyncio.run(clean())
    return amqp_url
