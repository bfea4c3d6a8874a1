"""The embedded PostgreSQL: started on demand, shared, and never left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg

from connectors.postgres.embedded import STOP_SECONDS, EmbeddedPostgres, stop_server
from connectors.postgres.places import LONGEST_SOCKET, Places
from connectors.postgres.users import exclusive

HOLDER = """
import sys, time
from connectors.postgres.embedded import EmbeddedPostgres
print(EmbeddedPostgres(sys.argv[1]).start(), flush=True)
time.sleep(600)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the server of ``folder``; returns when it runs."""
    process = launch(folder)
    assert first_line(process).startswith("postgresql://")
    return process


def launch(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    with process.stdout as out:
        return out.readline()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def keepers(folder: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if str(folder) in (process.info["cmdline"] or [])
        and "connectors.postgres.keeper" in process.info["cmdline"]
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def left_over(folder: Path) -> list[psutil.Process]:
    return Places(folder).processes() + keepers(folder)


def test_answers_as_version_18_and_leaves_no_process(folder: Path) -> None:
    """Also started by root, as CI does; nothing listens on the network."""
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        version = connection.execute("show server_version_num").fetchone()
        listens = connection.execute("show listen_addresses").fetchone()
        zone = connection.execute("show timezone").fetchone()
        assert (folder / "url").read_text().strip() == server.url

    assert version and version[0].startswith("18")
    assert (listens, zone) == (("",), ("UTC",))
    assert left_over(folder) == []
    assert not (folder / "url").exists()


def test_only_this_account_can_reach_the_socket_and_the_data(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        modes = [path.stat().st_mode & 0o777 for path in (server.places.data, server.places.sockets)]

    assert modes == [0o700, 0o700]


def test_data_survive_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        connection.execute("create table kept as select 42 as number")
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select number from kept").fetchone() == (42,)


def test_a_clone_with_a_very_long_path_works(tmp_path: Path) -> None:
    """The path of a Unix socket may have some 100 bytes; a folder may be far deeper."""
    deep = tmp_path / ("a deep folder, ünïcode & more " * 4).strip() / ("x" * 120)
    deep.parent.mkdir()
    with EmbeddedPostgres(deep) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert len(os.fsencode(server.places.sockets)) < LONGEST_SOCKET < len(os.fsencode(deep))


def test_start_and_stop_may_be_repeated(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    assert server.start() == server.start()
    server.stop()
    server.stop()

    assert not server.running()


def test_the_last_holder_stops_the_server(folder: Path) -> None:
    """A holder is a process or an object; the server outlives the one that started it while another holds it."""
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    first.start()
    other = holder(folder)
    second.start()

    first.stop()
    assert second.running()
    second.stop()
    assert second.running()
    kill(other)
    assert eventually(lambda: left_over(folder) == [])


def test_a_killed_holder_leaves_nothing_behind(folder: Path) -> None:
    """kill -9 of the only process that held the server ends the server too."""
    kill(holder(folder))

    assert eventually(lambda: left_over(folder) == [])


def test_stop_does_not_wait_for_a_keeper_that_waits_for_it(folder: Path) -> None:
    """The keeper has seen that nobody is left and wants the lock that stop holds, so it reaps nobody meanwhile."""
    server = EmbeddedPostgres(folder)
    server.start()
    with exclusive(server.places.lock):
        server._leave()
        time.sleep(1.5)
        started = time.monotonic()
        stop_server(server.places)
        assert time.monotonic() - started < STOP_SECONDS

    assert eventually(lambda: left_over(folder) == [])


def test_many_processes_that_start_at_once_share_one_server(folder: Path) -> None:
    processes = [launch(folder) for _ in range(4)]
    urls = {first_line(process) for process in processes}
    servers = [process for process in Places(folder).processes() if process.ppid() in {k.pid for k in keepers(folder)}]
    for process in processes:
        kill(process)

    assert len(urls) == 1
    assert len(servers) == 1
    assert eventually(lambda: left_over(folder) == [])


def test_recovers_what_was_committed_after_the_server_was_killed(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as number")
        running = server.places.server()
        assert running
        running.kill()
        running.wait(30)

    with psycopg.connect(server.start()) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1000,)
    server.stop()
    assert left_over(folder) == []


def test_a_killed_keeper_is_replaced(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    for keeper in keepers(folder):
        keeper.kill()
    eventually(lambda: not server.running(), seconds=10)

    with psycopg.connect(server.start()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    server.stop()
    assert left_over(folder) == []


def test_a_stale_lock_file_that_names_a_living_stranger_is_no_obstacle(folder: Path) -> None:
    """After a reboot the number in the file may belong to any process, here to the test itself."""
    with EmbeddedPostgres(folder) as server:
        pid_file = server.places.data / "postmaster.pid"
        lines = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))

    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_kill_during_the_first_start_leaves_nothing_half_done(folder: Path) -> None:
    """The cluster is made beside its place and moved there whole."""
    process = launch(folder)
    eventually(lambda: any(folder.glob("data.new.*")))
    kill(process)
    first_line(process)

    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert eventually(lambda: left_over(folder) == [])


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    """The error ends with what the server itself said."""
    with EmbeddedPostgres(folder) as server:
        pass
    (server.places.data / "global" / "pg_control").unlink()

    try:
        server.start()
        raise AssertionError("started without its control file")
    except Exception as error:
        assert "does not start" in str(error)
        assert "pg_control" in str(error)
    assert left_over(folder) == []
