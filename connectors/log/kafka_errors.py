"""What Kafka's errors mean for whoever reads or writes: gone for good, or away for now."""

import logging

from confluent_kafka import KafkaError

from connectors.log import LogError, LogUnavailable, UnknownTopic

LOGGER = logging.getLogger("lockstep.kafka")
"""Where librdkafka's own messages go."""
# It warns about every setting that only some kinds of client use, and the settings are shared by all kinds.
LOGGER.addFilter(lambda entry: "CONFWARN" not in entry.getMessage())

NO_SUCH_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not do that: ask for access to the topic",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not do that: ask for access to the cluster",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise the topic's max.message.bytes",
    KafkaError.INVALID_RECORD: "the broker does not take such a record (a compacted topic needs keys)",
    KafkaError.INVALID_TIMESTAMP: "its time is too far ahead of the broker's clock: see message.timestamp.after.max.ms",
    KafkaError.INVALID_CONFIG: "the broker does not know one of the topic's settings",
    KafkaError.INVALID_REPLICATION_FACTOR: "the cluster has too few brokers for its default.replication.factor",
    KafkaError.POLICY_VIOLATION: "the broker's policy forbids it",
    KafkaError.OFFSET_OUT_OF_RANGE: "that offset is not in the log",
    KafkaError._AUTHENTICATION: "check sasl.username and sasl.password",
    KafkaError._SSL: "check the security.protocol and ssl.* settings",
}


def explain(error: KafkaError, place: str) -> LogError:
    """The error to raise, saying what to do. What is not known to be final counts as passing."""
    if error.code() in NO_SUCH_TOPIC:
        return UnknownTopic(f"{place}: there is no such topic: create it first ({error.str()})")
    if advice := REFUSED.get(error.code()):
        return LogError(f"{place}: {error.str()}: {advice}")
    return LogUnavailable(f"{place}: {error.str()}: is the broker well? Trying again may help")
