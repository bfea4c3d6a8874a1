"""Signals on the log reach the queue: what, which, from where on."""

import asyncio
import json

import aio_pika
import psycopg
import pytest

from connectors.log import Log, NewRecord
from connectors.pace import wall_clock
from connectors.rabbitmq.feature_message import LIVE
from connectors.rabbitmq.link import Backoff
from connectors.rabbitmq.publish import Outgoing, Publisher
from connectors.rabbitmq.signal_message import QUEUE
from dataflows.bridge import Parts
from schemas.codec import encode
from schemas.topics import FEATURES, SIGNALS, shard_of
from tests.bridge.made import signal, vector
from tests.bridge.queues import depth, drain, empty
from tests.bridge.running import SHARDS, at_beginning, at_end, letters, running, until

OUT = {"positions": False, "balances": "off", "fills": "off"}


def append(log: Log, *records) -> None:
    topic = SIGNALS.name if hasattr(records[0], "signal_id") else FEATURES.name
    for record in records:
        log.append(topic, shard_of(record.symbol, SHARDS), [NewRecord(record.symbol.encode(), encode(record), 1000)])


def ids(messages) -> list[str]:
    return [json.loads(message.body)["signal_id"] for message in messages]


def fresh(number: int, symbol: str = "SOLUSDT", age: float = 0.0, **changes):
    return signal(number, symbol, wall_clock() - int(age * 1e6), **changes)


@pytest.mark.req("MS-FR-006")
def test_a_signal_arrives_persistent_with_trace_id_and_type(log, broker, database_url):
    """The properties that the order-manager needs, within the time it may take."""
    record = fresh(1)
    with running(Parts(at_beginning, **OUT), log, broker, database_url) as bridge:
        append(log, record)
        (message,) = drain(broker, QUEUE, lambda found: len(found) == 1)
        until(lambda: bridge.status().queues[QUEUE]["published"] == 1, "the confirmation")

    assert (message.delivery_mode, message.content_type) == (2, "application/json")
    assert dict(message.headers) == {"trace_id": record.trace_id} and message.expiration is None
    assert ids([message]) == [record.signal_id]
    assert bridge.routes[0].sent.age is not None and bridge.routes[0].sent.age < 5.0


def test_a_first_start_begins_at_the_end_and_a_later_one_where_it_stopped(log, broker, database_url):
    """What was there before the first start is never sent; what comes while nobody runs is."""
    append(log, fresh(1))
    with running(Parts(at_end, **OUT), log, broker, database_url) as bridge:
        until(lambda: bridge.routes and bridge.routes[0].sent.positions, "positions")
        append(log, fresh(2))
        assert ids(drain(broker, QUEUE, lambda found: found)) == [fresh(2).signal_id]
        until(lambda: saved(database_url) == 2, "the position on record")
    append(log, fresh(3), fresh(4))
    with running(Parts(at_end, **OUT), log, broker, database_url):
        found = ids(drain(broker, QUEUE, lambda found: len(found) >= 2))
    assert found == [fresh(3).signal_id, fresh(4).signal_id]


def test_a_start_that_never_sent_anything_is_remembered(log, broker, database_url):
    """A signal that comes between a first run and the next one is not before the first start."""
    with running(Parts(at_end, **OUT), log, broker, database_url) as bridge:
        until(lambda: bridge.routes and bridge.routes[0].sent.positions, "positions")
    append(log, fresh(1))
    with running(Parts(at_end, **OUT), log, broker, database_url):
        assert ids(drain(broker, QUEUE, lambda found: found)) == [fresh(1).signal_id]


def test_old_signals_are_passed_over_and_counted(log, broker, database_url):
    """An old decision must not reach a live queue."""
    append(log, fresh(1, age=400), fresh(2, age=100), fresh(3, age=301))
    with running(Parts(at_beginning, **OUT), log, broker, database_url) as bridge:
        assert ids(drain(broker, QUEUE, lambda found: found)) == [fresh(2).signal_id]
        until(lambda: saved(database_url) == 3, "the positions on record")
        assert bridge.status().queues[QUEUE]["passed_over"] == 2


def test_what_cannot_be_sent_becomes_a_dead_letter_and_stops_nobody(log, broker, database_url):
    """Both what is no signal and what the order-manager would drop."""
    log.append(SIGNALS.name, shard_of("SOLUSDT", SHARDS), [NewRecord(b"SOLUSDT", b'{"type":"signal"', 1000)])
    append(log, fresh(1, amount=0.001), fresh(2))
    with running(Parts(at_beginning, **OUT), log, broker, database_url):
        assert ids(drain(broker, QUEUE, lambda found: found)) == [fresh(2).signal_id]
        until(lambda: len(letters(log)) == 2, "dead letters")
    broken, small = letters(log)
    assert broken.source == f"bridge/{QUEUE}" and broken.raw == b'{"type":"signal"'
    assert "offset 0" in broken.reason and "amount 0.001 is below 0.01" in small.reason


def test_a_queue_that_somebody_deletes_loses_nothing(log, broker, database_url):
    """The broker returns what no queue takes; it is declared and sent again."""
    with running(Parts(at_beginning, **OUT), log, broker, database_url) as bridge:
        append(log, fresh(1))
        until(lambda: bridge.status().queues.get(QUEUE, {}).get("published") == 1, "the first")
        asyncio.run(empty(broker, QUEUE))
        append(log, fresh(2))
        assert ids(drain(broker, QUEUE, lambda found: found)) == [fresh(2).signal_id]


def test_vectors_are_published_only_when_asked_and_expire(log, broker, database_url):
    """A queue that nobody reads must not grow without bound."""
    append(log, vector(ts=wall_clock()), vector(ts=wall_clock(), tainted=True))
    with running(Parts(at_beginning, features=30.0, signals=False, **OUT), log, broker, database_url):
        (message,) = drain(broker, LIVE, lambda found: found)
    assert message.expiration == 30.0 and json.loads(message.body)["symbol"] == "SOLUSDT"
    assert message.delivery_mode == 2


def test_a_refused_message_goes_before_those_that_follow_it(broker):
    """The broker refuses one in the middle: later ones of its key wait, those of other keys do not."""
    asked: list[bytes] = []

    async def refuse_once() -> int:
        publisher = Publisher(broker, QUEUE)
        publisher.link.backoff = Backoff(first=0.01, longest=0.1)
        publish = publisher._publish

        async def moody(channel, message: Outgoing) -> None:
            asked.append(message.body)
            if message.body == b"a2" and asked.count(b"a2") == 1:
                raise aio_pika.exceptions.DeliveryError(None, None)
            await publish(channel, message)

        publisher._publish = moody
        running = asyncio.create_task(publisher.run())
        bodies = [b"a1", b"b1", b"a2", b"b2", b"a3", b"b3"]
        await publisher.send([Outgoing(body[:1].decode(), body, None, 0) for body in bodies])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return publisher.repeats

    assert asyncio.run(refuse_once()) == 1
    bodies = [message.body for message in drain(broker, QUEUE, lambda found: len(found) >= 6)]
    assert sorted(bodies) == [b"a1", b"a2", b"a3", b"b1", b"b2", b"b3"]
    assert [body for body in bodies if body[:1] == b"a"] == [b"a1", b"a2", b"a3"]
    assert [body for body in bodies if body[:1] == b"b"] == [b"b1", b"b2", b"b3"]


def test_an_outage_outlasting_the_age_limit_passes_signals_over(log, rabbitmq_server, database_url):
    """What waited too long for the broker is as old as any other."""
    url = rabbitmq_server.start()
    with running(Parts(at_beginning, age_limit=5.0, **OUT), log, url, database_url) as bridge:
        until(lambda: bridge.routes and bridge.routes[0].publisher.link.up, "the connection")
        rabbitmq_server.stop()
        append(log, fresh(1))
        asyncio.run(asyncio.sleep(5.5))
        rabbitmq_server.start()
        until(lambda: bridge.status().queues[QUEUE]["passed_over"] == 1, "the old one")
        append(log, fresh(2))
        assert ids(drain(url, QUEUE, lambda found: found)) == [fresh(2).signal_id]
        assert bridge.routes[0].publisher.link.breaks > 0


def saved(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("select sum(position) from bridge_positions where name = %s", [QUEUE]).fetchone()
    return int(row[0] or 0) if row else 0


def test_an_empty_broker_has_an_empty_queue(log, broker, database_url):
    """The queue is made, durable and without arguments, before there is a signal."""
    with running(Parts(at_end, **OUT), log, broker, database_url) as bridge:
        until(lambda: bridge.routes and bridge.routes[0].publisher.link.up, "the connection")
        assert asyncio.run(depth(broker, QUEUE)) == 0
