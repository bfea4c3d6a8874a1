"""Several programs on one log, and what is left when one of them is killed."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.log import Record
from tests.log.appender import BATCH
from tests.log.home import Home, read, read_all, record

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def appender(home: Home, topic: str, name: str, batches: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.log.appender", *home.arguments(), topic, name, str(batches)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def parsed(found: list[Record]) -> list[tuple[str, int, int]]:
    """(writer, batch, place in the batch) of each record."""
    words = [(r.value or b"").split()[:3] for r in found]
    return [(name.decode(), int(number), int(place)) for name, number, place in words]


def test_writers_in_several_processes_share_a_shard(home: Home) -> None:
    """A reader sees every record of three writers once, without holes, and each writer's in its order."""
    log, topic = home.open(), home.topic()
    log.create(topic, 1)
    names, batches = ["one", "two", "three"], 30
    reader = log.reader(topic, 0, 0)

    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(appender(home, topic, name, batches)) for name in names]
        found = read(reader, len(names) * batches * BATCH)
        assert [child.wait(60) for child in children] == [0, 0, 0]
    reader.close()

    assert [r.offset for r in found] == list(range(len(found)))
    for name in names:
        own = [(number, place) for writer, number, place in parsed(found) if writer == name]
        assert own == [(number, place) for number in range(batches) for place in range(BATCH)]


def kill_at_random(home: Home, topic: str, rounds: int, seed: int) -> dict[tuple[str, int], int]:
    """Start writers and ``kill -9`` them; what they were told is on the log: (writer, batch) -> last offset."""
    chance = random.Random(seed)
    acknowledged: dict[tuple[str, int], int] = {}
    for turn in range(rounds):
        name = f"writer{turn}"
        with appender(home, topic, name, 1_000_000) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(chance.randint(1, 20))]
            time.sleep(chance.random() * 0.01)
            child.kill()
            lines += child.stdout.readlines()
        for line in lines:
            if line.endswith("\n"):
                number, offset = map(int, line.split())
                acknowledged[name, number] = offset
    return acknowledged


def check_what_is_left(home: Home, topic: str, acknowledged: dict[tuple[str, int], int], torn: bool) -> None:
    """Every acknowledged batch is where the writer was told, nothing is twice, and of the last a prefix at most."""
    log = home.open()
    found = read_all(log, topic)
    assert [r.offset for r in found] == list(range(len(found)))
    places = parsed(found)
    for (name, number), last in acknowledged.items():
        assert places[last + 1 - BATCH : last + 1] == [(name, number, place) for place in range(BATCH)]
    for name in {name for name, _, _ in places}:
        own = [(number, place) for writer, number, place in places if writer == name]
        assert own == [divmod(n, BATCH) for n in range(len(own))]
        assert torn or len(own) % BATCH == 0
    assert log.append(topic, 0, [record(b"next")]) == len(found)


def test_a_writer_killed_in_the_middle_of_an_append_leaves_no_trace_of_it(embedded: Home) -> None:
    """``kill -9`` at random moments: all acknowledged batches whole, none torn, and the log goes on."""
    topic = embedded.topic()
    embedded.open().create(topic, 1)

    acknowledged = kill_at_random(embedded, topic, rounds=12, seed=7)

    assert len(acknowledged) >= 12
    check_what_is_left(embedded, topic, acknowledged, torn=False)


@pytest.mark.kafka
def test_a_writer_to_kafka_killed_in_the_middle_of_an_append_leaves_a_prefix(cluster: Home) -> None:
    """As above; what a broker had received of the last batch stays, from its beginning and without a hole."""
    topic = cluster.topic()
    cluster.open().create(topic, 1)

    acknowledged = kill_at_random(cluster, topic, rounds=4, seed=8)

    assert len(acknowledged) >= 4
    check_what_is_left(cluster, topic, acknowledged, torn=True)


def test_readers_and_writers_of_one_folder_may_be_killed_with_the_last_open_file(embedded: Home) -> None:
    """Nobody is left who had the file open: the next program finds the write-ahead log and recovers it."""
    topic = embedded.topic()
    log = embedded.open()
    log.create(topic, 1)
    embedded.close()

    acknowledged = kill_at_random(embedded, topic, rounds=1, seed=9)

    check_what_is_left(embedded, topic, acknowledged, torn=False)


def test_programs_that_create_the_same_topic_at_once_agree(embedded: Home) -> None:
    """Ten processes race; all succeed, and append to one topic."""
    topic = embedded.topic()
    code = (
        "import sys; from pathlib import Path; from connectors.log import open_log, NewRecord;"
        "log = open_log(None, Path(sys.argv[1])); log.create(sys.argv[2], 3);"
        "log.append(sys.argv[2], 1, [NewRecord(None, b'x', 1)])"
    )
    command = [sys.executable, "-c", code, str(embedded.root), topic]

    children = [subprocess.Popen(command, cwd=ROOT) for _ in range(10)]

    assert [child.wait(60) for child in children] == [0] * 10
    assert embedded.open().end(topic, 1) == 10
    assert [path.name for path in embedded.root.iterdir() if path.name.startswith(".")] == []
