"""PostgreSQL as part of the program: started on demand, shared by processes, gone with the last of them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil
import psycopg
from psycopg import sql

from connectors.postgres.places import Places
from connectors.postgres.program import PostgresError, program, runner
from connectors.postgres.users import User, exclusive, forget_dead, in_use

START_SECONDS = 60.0
STOP_SECONDS = 30.0
DATABASE = "lockstep"


class EmbeddedPostgres:
    """A PostgreSQL 18 under ``directory``, on a Unix socket that only this account can reach.

    Any number of processes may hold it at once: the first ``start`` starts the server, the last ``stop`` stops it, and
    a keeper process stops it when every holder has died without saying so. Data survive; a server that was killed
    recovers at the next ``start``.

    >>> EmbeddedPostgres("/srv/lockstep/.lockstep/postgres").url
    'postgresql://postgres@/lockstep?host=%2Fsrv%2Flockstep%2F.lockstep%2Fpostgres%2Fsocket'
    """

    def __init__(self, directory: Path | str) -> None:
        self.places = Places(Path(directory).absolute())
        self._user: User | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server is, or will be, reached."""
        return self.places.url

    def start(self) -> str:
        """Make sure that the server runs and that it stays until ``stop``; returns its URL. Repeating it is harmless.

        Raises:
            PostgresError: when it does not come up; the message ends with the last lines of its log.
        """
        self.places.root.mkdir(parents=True, exist_ok=True)
        with exclusive(self.places.lock):
            self._user = self._user or User(self.places.users)
            forget_dead(self.places.users)
            try:
                self._bring_up()
            except BaseException:
                self._leave()
                raise
        return self.url

    def stop(self) -> None:
        """Let go of the server; it stops unless somebody else holds it. Repeating it is harmless."""
        if not self._user:
            return
        with exclusive(self.places.lock):
            self._leave()
            if in_use(self.places.users):
                return
            stop_server(self.places)
        if self._keeper:
            self._keeper.wait()
            self._keeper = None

    def running(self) -> bool:
        """Whether the server's process is there, whoever started it."""
        return self.places.server() is not None

    def __enter__(self) -> "EmbeddedPostgres":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _leave(self) -> None:
        if self._user:
            self._user.leave()
            self._user = None

    def _bring_up(self) -> None:
        if not (self.places.data / "PG_VERSION").exists():
            _initialise(self.places)
        deadline = time.monotonic() + START_SECONDS
        launches = 0
        while not _ready(self.places):
            if not self.running() and (self._keeper is None or self._keeper.poll() is not None):
                if launches == 3:
                    raise PostgresError(f"the embedded PostgreSQL does not start:\n{_tail(self.places.log)}")
                self.places.clear_stale()
                self._keeper = _launch(self.places)
                launches += 1
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"the embedded PostgreSQL did not answer in {START_SECONDS:.0f} s:\n{_tail(self.places.log)}"
                )
            time.sleep(0.02)
        self.places.url_file.write_text(f"{self.url}\n")


def stop_server(places: Places) -> None:
    """Stop the server of a folder and wait for its end: fast (which rolls back), then at once, then by force."""
    places.url_file.unlink(missing_ok=True)
    if not (server := places.server()):
        return
    for how, patience in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        with suppress(psutil.NoSuchProcess):
            server.send_signal(how)
        if _ended(server, patience):
            return
    raise PostgresError(f"the embedded PostgreSQL, process {server.pid}, does not end: kill it by hand")


def _ended(process: psutil.Process, patience: float) -> bool:
    """Wait for the end of a process. A zombie has ended: its parent, the keeper, may be waiting for our lock."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def _initialise(places: Places) -> None:
    """Make the cluster beside its place and move it there whole, so that a kill in between leaves nothing half done.

    Each attempt has a folder of its own: the initdb of a killed attempt may still be at work in the other.
    """
    for abandoned in places.root.glob("data.new.*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix="data.new.", dir=places.root))
    account = runner()
    account.own(fresh)
    command = [*account.prefix, str(program("initdb")), "-D", str(fresh), "-U", "postgres", "--encoding=utf8"]
    command += ["--locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject", "--no-instructions"]
    made = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")
    if made.returncode:
        raise PostgresError(f"initdb failed for {places.data}: {made.stderr.strip() or made.stdout.strip()}")
    fresh.rename(places.data)


def _launch(places: Places) -> subprocess.Popen[bytes]:
    """Start the keeper, which starts the server: in a session of its own, so that a Ctrl-C meant for us spares it."""
    account = runner()
    account.own(places.claim_sockets(account.owner[0] if account.owner else os.geteuid()))
    with places.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "connectors.postgres.keeper", str(places.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _ready(places: Places) -> bool:
    """Whether the server answers; makes our database on the first time."""
    if not places.server():
        return False
    try:
        with psycopg.connect(places.url, dbname="postgres", connect_timeout=5, autocommit=True) as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone()
            if not found:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        return True
    except psycopg.OperationalError:
        return False


def _tail(log: Path, lines: int = 8) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or f"{log} is empty"
