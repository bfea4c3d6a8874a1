"""The topics of an installation: made where they are missing, kept from growing for ever."""

import time
from collections.abc import Callable

import structlog

from cli.settings import Settings
from connectors.log import Log, LogError
from schemas.output import TOPIC_OF
from schemas.topics import REGISTRIES, TOPICS

HOUSEKEEPING = 600.0
"""Seconds between two rounds of retention."""
KEPT = (REGISTRIES.name,)
"""Never trimmed: it says what is in force also when the activation itself is long gone from ``events``."""


def create_topics(log: Log, settings: Settings, prefix: str = "") -> None:
    """Make every topic that is not there yet."""
    days = settings.retention_days
    retention = None if days is None else int(days * 86_400_000)
    for topic in TOPICS:
        log.create(topic.name, settings.shards, topic.cleanup, None if topic.name in KEPT else retention)
    if prefix:
        for name in dict.fromkeys(TOPIC_OF.values()):
            log.create(prefix + name, settings.shards, retention_ms=None if name in KEPT else retention)


def keep_house(open_log: Callable[[], Log]) -> None:
    """Apply retention and compaction now and then; a broker does so by itself, the embedded log is told."""
    log = open_log()
    while True:
        for info in log.topics():
            try:
                log.maintain(info.name)
            except LogError as error:
                structlog.get_logger().warning("log.maintenance", topic=info.name, error=str(error))
        time.sleep(HOUSEKEEPING)
