"""The lease: one writer a shard, known by name, gone with its process."""

import os
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.lease import LONGEST_NAME, Lease, LeaseHeld, LeaseUnavailable, _name

HOLDER = """
import sys, time
from connectors.postgres.lease import Lease
lease = Lease(sys.argv[1], "trading/7")
lease.take("features", int(sys.argv[2]))
print("taken", flush=True)
time.sleep(600)
"""


def holder(url: str, shard: int) -> subprocess.Popen[str]:
    """Another process that holds a shard of ``features``; returns when it does."""
    command = [sys.executable, "-c", HOLDER, url, str(shard)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout as out:
        assert out.readline() == "taken\n"
    return process


def cut(url: str, name: str = "%") -> None:
    """End the database's side of every lease in this database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name like %s and datname = current_database() and pid <> pg_backend_pid()",
            [name],
        )


def test_a_second_writer_is_refused_and_told_who_the_first_is(database_url: str) -> None:
    process = holder(database_url, 3)
    with Lease(database_url, "features/0") as lease, pytest.raises(LeaseHeld) as refused:
        lease.take("features", 3)
    process.kill()
    process.wait()

    message = str(refused.value)
    assert "shard 3 of features" in message
    assert f"trading/7 pid {process.pid} on " in message
    assert "since 20" in message
    assert "UTC" in message


def test_kill_9_frees_the_lease_at_once(database_url: str) -> None:
    """The next writer waits for the lock itself, so it has it as soon as the database saw the connection end."""
    process = holder(database_url, 0)
    process.kill()
    process.wait()
    with Lease(database_url, "features/0") as lease:
        lease.take("features", 0, wait_seconds=60)
        assert lease.check()


def test_a_waiting_writer_gets_the_lease_when_the_holder_lets_go(database_url: str) -> None:
    first, second = Lease(database_url, "features/0"), Lease(database_url, "features/1")
    first.take("features", 0)
    threading.Timer(0.3, first.release).start()
    second.take("features", 0, wait_seconds=60)

    with pytest.raises(LeaseHeld, match="features/1"):
        first.take("features", 0)
    first.release()
    second.release()


def test_waiting_ends_with_the_holders_name(database_url: str) -> None:
    with Lease(database_url, "features/0") as first, Lease(database_url, "features/1") as second:
        first.take("features", 0)
        with pytest.raises(LeaseHeld, match="features/0"):
            second.take("features", 0, wait_seconds=0.2)


def test_topics_and_shards_are_apart(database_url: str) -> None:
    with Lease(database_url, "one") as first, Lease(database_url, "two") as second:
        first.take("features", 0)
        second.take("features", 1)
        second.take("quality", 0)
        first.take("features", 0)
        assert first.check()
        assert second.check()


def test_a_lost_connection_is_taken_again_and_reported_once(database_url: str) -> None:
    """False says that somebody may have written in between."""
    with Lease(database_url, "features/0") as lease, Lease(database_url, "features/1") as other:
        lease.take("features", 0)
        lease.take("quality", 0)
        cut(database_url)

        assert [lease.check() for _ in range(3)] == [False, True, True]
        for topic in ("features", "quality"):
            with pytest.raises(LeaseHeld, match="features/0"):
                other.take(topic, 0)


def test_a_shard_taken_by_another_during_the_break_is_refused(database_url: str) -> None:
    with Lease(database_url, "features/0") as lease, Lease(database_url, "features/1") as other:
        lease.take("features", 0)
        cut(database_url, "features/0%")
        other.take("features", 0, wait_seconds=30)
        with pytest.raises(LeaseHeld, match="features/1"):
            lease.check()


def test_an_old_self_that_the_database_still_believes_in_is_ended(database_url: str) -> None:
    """After a broken network the database may keep our former connection, and with it our lease, for a while."""
    with Lease(database_url, "features/0") as lease:
        lease.take("features", 0)
        former, lease._connection = lease._connection, None
        assert lease.check() is False
        with pytest.raises(psycopg.OperationalError):
            former.execute("select 1")  # type: ignore[union-attr]


def test_a_database_that_stops_and_starts_again_is_waited_for(tmp_path: object) -> None:
    """The lease is held again afterwards, and the break is reported."""
    server = EmbeddedPostgres(f"{tmp_path}/postgres")
    lease = Lease(server.start(), "features/0", patience=120)
    lease.take("features", 0)
    server.stop()
    comeback = threading.Timer(1.0, server.start)
    comeback.start()

    assert lease.check() is False
    assert lease.check() is True
    comeback.join()
    with pytest.raises(LeaseHeld, match=str(os.getpid())):
        Lease(server.url, "features/1").take("features", 0)
    lease.release()
    server.stop()


def test_patience_with_a_database_that_stays_away_ends_with_a_clear_error(tmp_path: object) -> None:
    lease = Lease(f"postgresql://postgres@/lockstep?host={tmp_path}", "features/0", patience=0.3)
    started = time.monotonic()
    with pytest.raises(LeaseUnavailable, match=r"did not answer for 0 s.*features/0.*only writer"):
        lease.take("features", 0)
    assert time.monotonic() - started < 60


def test_every_shard_hears_of_a_break_once_whoever_noticed_it(database_url: str) -> None:
    """The sink of each shard has to look at its own end again."""
    with Lease(database_url, "features/0") as lease:
        shards = [lease.shard("features", number) for number in range(3)]
        assert [shard.check() for shard in shards] == [True] * 3
        cut(database_url)

        assert [shard.check() for shard in shards] == [False] * 3
        assert [shard.check() for shard in shards] == [True] * 3


def test_one_shard_given_back_leaves_the_others(database_url: str) -> None:
    with Lease(database_url, "features/0") as lease, Lease(database_url, "features/1") as other:
        first, second = lease.shard("features", 0), lease.shard("features", 1)
        first.release()
        other.take("features", 0)
        with pytest.raises(LeaseHeld):
            other.take("features", 1)
        cut(database_url, "features/0%")
        assert second.check() is False
        assert lease.shards == [("features", 1)]


def test_a_refused_shard_is_not_taken_again_later(database_url: str) -> None:
    """What take refused must not be among what check takes anew."""
    with Lease(database_url, "features/0") as first, Lease(database_url, "features/1") as second:
        first.take("features", 0)
        second.take("features", 1)
        with pytest.raises(LeaseHeld):
            second.take("features", 0)
        cut(database_url, "features/1%")
        assert second.check() is False


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
@settings(max_examples=200)
def test_the_name_fits_and_keeps_the_process_whatever_the_holder_is_called(holder: str) -> None:
    """PostgreSQL would cut it silently, and the end is what names the process."""
    name = _name(holder)
    assert len(name.encode()) <= LONGEST_NAME
    assert f"pid {os.getpid()} on " in name
