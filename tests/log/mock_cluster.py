"""librdkafka's mock cluster with its error injection, called in the library: confluent-kafka does not offer it.

The wheel of confluent-kafka brings librdkafka as a shared library whose mock functions are public (``rdkafka_mock.h``).
"""

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka

PRODUCE = 0
FETCH = 1
INIT_PRODUCER_ID = 22
"""Numbers of Kafka's requests."""

PRODUCER = 0
POINTER, NUMBER = ctypes.c_void_p, ctypes.c_int


@functools.cache
def library() -> ctypes.CDLL | None:
    """The librdkafka that confluent-kafka runs on; None where it was linked in another way."""
    found = sorted(Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka-*"))
    if not found:
        return None
    lib = ctypes.CDLL(str(found[0]))
    lib.rd_kafka_conf_new.restype = POINTER
    lib.rd_kafka_conf_set.argtypes = [POINTER, *[ctypes.c_char_p] * 3, ctypes.c_size_t]
    lib.rd_kafka_new.restype = POINTER
    lib.rd_kafka_new.argtypes = [NUMBER, POINTER, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_destroy.argtypes = [POINTER]
    lib.rd_kafka_mock_cluster_new.restype = POINTER
    lib.rd_kafka_mock_cluster_new.argtypes = [POINTER, NUMBER]
    lib.rd_kafka_mock_cluster_destroy.argtypes = [POINTER]
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    lib.rd_kafka_mock_cluster_bootstraps.argtypes = [POINTER]
    lib.rd_kafka_mock_topic_create.argtypes = [POINTER, ctypes.c_char_p, NUMBER, NUMBER]
    lib.rd_kafka_mock_broker_set_down.argtypes = [POINTER, ctypes.c_int32]
    lib.rd_kafka_mock_broker_set_up.argtypes = [POINTER, ctypes.c_int32]
    lib.rd_kafka_mock_push_request_errors_array.argtypes = [
        POINTER, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(NUMBER),
    ]  # fmt: skip
    return lib


class MockCluster:
    """One broker in this process that speaks Kafka's protocol and fails when told to."""

    def __init__(self, lib: ctypes.CDLL, cluster: int) -> None:
        self._lib, self._cluster = lib, cluster

    @property
    def bootstrap(self) -> str:
        return self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create(self, topic: str, shards: int) -> None:
        assert self._lib.rd_kafka_mock_topic_create(self._cluster, topic.encode(), shards, 1) == 0

    def fail(self, request: int, *codes: int) -> None:
        """Answer the next requests of this kind with these error codes, one each."""
        errors = (NUMBER * len(codes))(*codes)
        self._lib.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(codes), errors)

    def down(self) -> None:
        self._lib.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def up(self) -> None:
        self._lib.rd_kafka_mock_broker_set_up(self._cluster, 1)


@contextmanager
def mock_cluster(lib: ctypes.CDLL) -> Iterator[MockCluster]:
    reason = ctypes.create_string_buffer(512)
    conf = lib.rd_kafka_conf_new()
    lib.rd_kafka_conf_set(conf, b"log_level", b"0", reason, len(reason))
    client = lib.rd_kafka_new(PRODUCER, conf, reason, len(reason))
    cluster = lib.rd_kafka_mock_cluster_new(client, 1)
    try:
        yield MockCluster(lib, cluster)
    finally:
        lib.rd_kafka_mock_cluster_destroy(cluster)
        lib.rd_kafka_destroy(client)
