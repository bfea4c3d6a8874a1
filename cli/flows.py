"""The flows that can be run, and the topics that must be there: what is known without importing any of them."""

from enum import StrEnum

from connectors.log import Log
from schemas.topics import TOPICS


class Flow(StrEnum):
    """The flows that can be run."""

    features = "features"


def create_topics(log: Log, shards: int) -> None:
    """Make every topic that is not there yet."""
    for topic in TOPICS:
        log.create(topic.name, shards, topic.cleanup)
