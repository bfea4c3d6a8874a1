"""A record on its way to a topic."""

from typing import Any, NamedTuple

from schemas.codec import encode
from schemas.origin import Origin
from schemas.prediction import Outcome
from schemas.topics import EVENTS, TOPICS

TOPIC_OF = {
    kind: topic.name
    for topic in TOPICS
    if topic is not EVENTS
    for kind in getattr(topic.record, "__args__", (topic.record,))
}
"""The topic of every record type that a flow may write."""


class Output(NamedTuple):
    """What a flow writes: ``value`` is the bytes that will stand on the topic, ``timestamp`` in microseconds UTC."""

    topic: str
    key: str
    origin: Origin
    timestamp: int
    value: bytes


def output(record: Any) -> Output:
    """Encode a derived record for the topic of its type.

    What comes of a prediction stands at the time at which it is known: times rise along a topic.
    """
    key = str(getattr(record, "symbol", None) or _key(record))
    kind = type(record)
    time = record.matured if kind is Outcome else getattr(record, "ts", 0)
    return Output(TOPIC_OF[kind], key, record.origin, time, encode(record))


def _key(record: Any) -> str:
    """Of what concerns no symbol."""
    named = (getattr(record, name, None) for name in ("source", "strategy", "version"))
    return next(filter(None, named), "")
