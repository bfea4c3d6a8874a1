"""Apache Kafka on this machine without Docker: one KRaft node, its jars fetched from Maven Central."""

from connectors.kafka_server.jars import KAFKA_VERSION, fetch_jars
from connectors.kafka_server.server import KafkaServer, KafkaServerError

__all__ = ["KAFKA_VERSION", "KafkaServer", "KafkaServerError", "fetch_jars"]
