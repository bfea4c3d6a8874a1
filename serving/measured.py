"""Writes what was measured to PostgreSQL, in batches and from a thread of its own: it can fail, and nobody waits."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import Event, Lock, Thread

import psycopg
import structlog

from connectors.postgres.columns import Row
from connectors.postgres.metric_rows import TABLES, Call, Computed, call_row, computed_row
from connectors.postgres.old_rows import prune

LOGGER = structlog.get_logger()
EVERY = 2.0
"""Seconds between two batches."""
HELD = 20_000
"""Rows that wait for a database that is away; of more, the oldest are given up."""
BATCH = 2_000
TIDY = 3_600.0
KEEP_DAYS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds between two attempts while the database is away."""


class Measured:
    """Takes requests in from any thread, and asks ``computed`` for minutes of vectors that are over.

    ``written``, ``lost`` and ``failures`` count rows, rows given up, and batches that could not be written.
    """

    def __init__(
        self,
        url: str,
        computed: Callable[[], list[Computed]] = list,
        every: float = EVERY,
        keep_days: float = KEEP_DAYS,
    ) -> None:
        self._url, self._computed, self._every, self._keep_days = url, computed, every, keep_days
        self._waiting: deque[Row | Call] = deque()
        self._lock = Lock()
        self._stopped = Event()
        self._thread: Thread | None = None
        self._connection: psycopg.Connection | None = None
        self._tidied = 0.0
        self.written = self.lost = self.failures = 0

    def call(self, call: Call) -> None:
        """A request was answered. Never waits, never raises."""
        with self._lock:
            self._hold([call])

    def start(self) -> "Measured":
        """Begin to write."""
        self._thread = Thread(target=self._run, name="measured", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Write what waits, if the database lets us within a moment."""
        self._stopped.set()
        if self._thread:
            self._thread.join(3.0)

    def _run(self) -> None:
        pause = self._every
        while True:
            last = self._stopped.wait(pause)
            try:
                self._write()
                self._tidy()
                pause = self._every
            except Exception as error:
                # Whatever it is, requests and vectors go on.
                self._failed(error, told=self.failures == 0 or pause >= LONGEST_PAUSE)
                pause = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
            if last:
                self._close()
                return

    def _write(self) -> None:
        with self._lock:
            self._hold(map(computed_row, self._computed()))
        while batch := self._batch():
            try:
                self._store(call_row(one) if isinstance(one, Call) else one for one in batch)
            except psycopg.DataError:
                self.lost += len(batch)  # a row that no table takes would come back for ever
                raise
            except psycopg.Error:
                with self._lock:
                    self._waiting.extendleft(reversed(batch))
                raise
            self.written += len(batch)

    def _hold(self, rows: Iterable[Row | Call]) -> None:
        self._waiting.extend(rows)
        while len(self._waiting) > HELD:
            self._waiting.popleft()
            self.lost += 1

    def _batch(self) -> list[Row | Call]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _store(self, rows: Iterable[Row]) -> None:
        connection = self._open()
        with connection.transaction(), connection.pipeline(), connection.cursor() as cursor:
            for row in rows:
                cursor.execute(row.statement, row.params)

    def _tidy(self) -> None:
        if not self._keep_days or (self._tidied and time.monotonic() < self._tidied + TIDY):
            return
        if self._connection:
            self._tidied = time.monotonic()
            for table, gone in prune(self._connection, self._keep_days, TABLES).items():
                LOGGER.info("measured.pruned", table=table, rows=gone, older_than_days=self._keep_days)

    def _failed(self, error: Exception, told: bool) -> None:
        self.failures += 1
        self._close()
        if told:
            problem = str(error).strip().splitlines()
            LOGGER.warning("measured.not_written", error=problem[0] if problem else type(error).__name__,
                           waiting=len(self._waiting), lost=self.lost)  # fmt: skip

    def _open(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=3,
                tcp_user_timeout=5000,
                application_name="lockstep measured",
                options="-c statement_timeout=10000 -c timezone=UTC",
            )
        return self._connection

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None
