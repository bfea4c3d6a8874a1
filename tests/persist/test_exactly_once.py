"""Whatever dies in between, the tables end as if nothing had: every record once."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.log import Log, open_log
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.lease import Lease, LeaseHeld
from connectors.postgres.migrate import Migrator
from connectors.postgres.stored import AWAY, Place, SecondWriter, Stored
from dataflows.persist import Persist
from dataflows.persist_feed import RecordsLost
from tests.persist.conftest import store
from tests.persist.tables import expected, held, rows
from tests.persist.written import SHARDS, START, create, decision, story, write
from tests.persist.written import Origin as At

PROGRAM = """
import sys
from pathlib import Path
from connectors.log import open_log
from connectors.postgres.stored import Stored
from dataflows.persist import Persist
url, home, until_end = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "until-end"
Persist(open_log(None, home / "log"), 2, Stored(url, "a log"), batch=20, until_end=until_end).run()
"""
HANGS = 120


def start(url: str, home: Path, how: str = "for-ever") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, url, str(home), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition: Any, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < deadline, "hung"
        assert process is None or process.poll() is None, process.stdout.read()  # type: ignore[union-attr]
        time.sleep(0.005)


def count(url: str, table: str = "decisions") -> int:
    try:
        return int(rows(url, f"select count(*) from {table}")[0][0])
    except psycopg.OperationalError:
        return -1


@pytest.mark.slow
@pytest.mark.req("MS-SC-008", "TK-MS-06", "TK-MS-07")
def test_killed_again_and_again_every_record_is_stored_once(log: Log, url: str, tmp_path: Path) -> None:
    """kill -9 at moments of chance while records are appended; with triggers that count each insertion."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table inserted (id uuid)")
        connection.execute(
            "create function note() returns trigger language plpgsql as"
            " $$ begin insert into inserted values (new.id); return new; end $$"
        )
        for table in ("decisions", "trading_signals", "execution_events", "order_events", "position_events"):
            connection.execute(
                f"create trigger note after insert or update on {table} for each row execute function note()"
            )
    told: list[Any] = []
    for part in range(6):
        for shard in range(SHARDS):
            more = story(3, shard, part * 150, 150)
            write(log, more)
            told += more
        before = count(url)
        process = start(url, tmp_path)
        wait_for(lambda before=before: count(url) > before, process)
        time.sleep(0.02 * part)
        process.send_signal(signal.SIGKILL)
        process.wait()
    end = start(url, tmp_path, "until-end")
    assert end.wait(HANGS) == 0, end.stdout.read()  # type: ignore[union-attr]

    assert held(url) == expected(told)
    assert rows(url, "select id, count(*) from inserted group by id having count(*) > 1") == []


@pytest.mark.slow
@pytest.mark.req("MS-SC-008", "MS-FR-017")
def test_a_database_that_stops_and_starts_costs_time_and_nothing_else(log: Log, tmp_path: Path) -> None:
    """Away at the start, stopped twice in the middle, killed once; the process goes on by itself."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    url = server.start()
    Migrator(url).up()
    server.stop()
    told: list[Any] = []

    def tell(part: int) -> None:
        for shard in range(SHARDS):
            more = story(4, shard, part * 150, 150)
            write(log, more)
            told.extend(more)

    tell(0)
    work = Persist(log, SHARDS, Stored(url, "a log"), batch=20, patience=HANGS, stop=threading.Event())
    thread = threading.Thread(target=work.run)
    thread.start()
    try:
        for part in range(1, 4):
            server.start()
            before = count(url)
            wait_for(lambda before=before: count(url) > before)
            if part == 2:
                os.kill(server.places.server().pid, signal.SIGKILL)  # type: ignore[union-attr]
                wait_for(lambda: not server.running())
            server.stop()
            tell(part)
            time.sleep(0.3)
            assert thread.is_alive()
        server.start()
        wait_for(lambda: held(url) == expected(told))
    finally:
        work.stop.set()
        thread.join()
        server.stop()


def test_an_answer_lost_with_the_connection_is_not_a_second_writing(log: Log, url: str) -> None:
    """The transaction was committed, then the connection broke: the places say that it arrived."""

    class Breaks(Stored):
        broken = 0

        def commit(self, taken: Any, moves: Any) -> Any:
            done = super().commit(taken, moves)
            if taken and not self.broken:
                self.broken += 1
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return done

    told = story(5, 0, 0, 50)
    write(log, told)
    stored = Breaks(url, "a log")
    Persist(log, SHARDS, stored, until_end=True).run()

    assert stored.broken == 1
    assert held(url) == expected(told)


def test_a_failing_transaction_leaves_neither_rows_nor_place(log: Log, url: str) -> None:
    """The database refuses the last table; nothing of the batch is there, and all of it once that is mended."""
    told = story(6, 0, 0, 50)
    write(log, told)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table trading_signals rename to hidden")
        with pytest.raises(psycopg.errors.UndefinedTable):
            store(log, url)
        assert count(url) == 0
        assert rows(url, "select * from read_positions") == []
        connection.execute("alter table hidden rename to trading_signals")
    store(log, url)

    assert held(url) == expected(told)


def test_storing_it_all_again_changes_nothing(log: Log, url: str) -> None:
    """By id: also when the places are lost."""
    told = [*story(7, 0, 0, 80), *story(7, 1, 0, 80)]
    write(log, told)
    store(log, url)
    before = rows(url, "select id, created_at from decisions order by id")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("delete from read_positions")
    store(log, url)

    assert held(url) == expected(told)
    assert rows(url, "select id, created_at from decisions order by id") == before


def test_a_second_process_that_moved_our_place_is_noticed_before_anything_is_written(log: Log, url: str) -> None:
    write(log, story(8, 0, 0, 10))
    store(log, url)
    ours = Stored(url, "a log")
    before = ours.places()["decisions", 0]
    with pytest.raises(SecondWriter, match=r"decisions/0: its position in read_positions is not where"):
        ours.commit([], {("decisions", 0): (Place(before.position - 1), Place(before.position + 5))})
    with pytest.raises(SecondWriter):
        ours.commit([], {("decisions", 0): (None, Place(1))})

    assert ours.places()["decisions", 0] == before
    ours.close()


def test_records_that_retention_took_before_they_were_stored_end_it_with_what_to_do(log: Log, url: str) -> None:
    """Or are passed over, where that is asked for."""
    write(log, [decision(At(0, offset, 0), START + offset) for offset in range(10)])
    store(log, url)
    write(log, [decision(At(0, offset, 0), START + offset) for offset in range(10, 20)])
    log.trim("decisions", 0, 15)
    with pytest.raises(RecordsLost, match=r"decisions/0: must go on at offset 10, but the log begins at 15.*--accept"):
        store(log, url)
    assert count(url) == 10
    store(log, url, accept_loss=True)

    assert count(url) == 15


def test_a_log_that_was_begun_anew_is_read_from_its_start(url: str, tmp_path: Path) -> None:
    """A session of the demo in virtual time: shorter than the one before, or as long with other records."""
    for name, length in (("first", 30), ("shorter", 10), ("other", 40)):
        fresh = open_log(None, tmp_path / name)
        create(fresh)
        told = [decision(At(0, offset, 0), START, reason=f"{name} {offset}") for offset in range(length)]
        write(fresh, told)
        store(fresh, url)
        found = {reason for (reason,) in rows(url, "select reason from decisions")}
        assert {one.reason for one in told} <= found
        fresh.close()

    assert found == {one.reason for one in told}


def test_two_logs_may_share_a_database_each_with_its_own_places(log: Log, url: str, tmp_path: Path) -> None:
    other = open_log(None, tmp_path / "other")
    create(other)
    write(log, [decision(At(0, 1, 0))])
    write(other, [decision(At(0, 2, 0)), decision(At(0, 3, 0))])
    store(log, url)
    store(other, url, "another log")
    store(log, url)
    other.close()

    assert count(url) == 3
    assert Stored(url, "a third").others() == ["a log", "another log"]


def test_decisions_are_kept_for_as_long_as_asked(log: Log, url: str) -> None:
    """Counted from when they were stored: a recorded session of long ago stays."""
    write(log, [decision(At(0, offset, 0), START) for offset in range(6)])
    store(log, url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update decisions set created_at = created_at - interval '31 days' where origin < '0/3/0'")
    write(log, [decision(At(0, 9, 0))])
    store(log, url, keep_days=0)
    assert count(url) == 7
    write(log, [decision(At(0, 10, 0))])
    store(log, url, keep_days=30)

    assert sorted(origin for (origin,) in rows(url, "select origin from decisions")) == [
        "0/10/0", "0/3/0", "0/4/0", "0/5/0", "0/9/0",
    ]  # fmt: skip


def test_patience_ends_with_the_databases_own_words(log: Log, tmp_path: Path) -> None:
    work = Persist(log, SHARDS, Stored(f"postgresql://x@/x?host={tmp_path}", "a log"), patience=0.2)
    with pytest.raises(AWAY, match="No such file or directory"):
        work.run()


def test_when_the_database_comes_back_it_is_asked_whether_we_still_may(log: Log, url: str) -> None:
    """The lease was lost with the connection, and somebody else took it meanwhile."""
    write(log, story(9, 0, 0, 10))
    ours, theirs = Lease(url, "persist/0", patience=5), Lease(url, "persist/0", patience=5)
    ours.take("persist a log", 0)
    tried = []

    class Breaks(Stored):
        def commit(self, taken: Any, moves: Any) -> Any:
            if not tried:
                tried.append(1)
                ours._drop()
                theirs.take("persist a log", 0, wait_seconds=5)
                raise psycopg.OperationalError("gone")
            return super().commit(taken, moves)

    with theirs, pytest.raises(LeaseHeld):
        Persist(log, SHARDS, Breaks(url, "a log"), check=ours.check, until_end=True).run()
    assert count(url) == 0
