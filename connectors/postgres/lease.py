"""One writer for each shard of a topic: a lease that PostgreSQL forgets at once when its holder dies.

A lease is a session-level advisory lock, so DATABASE_URL must reach PostgreSQL itself or a pooler in session mode.
"""

import os
import socket
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any
from zlib import crc32

import psycopg
import structlog

LOGGER = structlog.get_logger()
LONGEST_NAME = 63
"""Bytes that PostgreSQL keeps of an application's name."""
LINK: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
}
"""Both ends notice within some ten seconds that a network or a machine between them is gone."""

HOLDER = """
select activity.application_name, activity.backend_start at time zone 'utc', activity.client_addr
from pg_locks lock join pg_stat_activity activity using (pid)
where lock.locktype = 'advisory' and lock.granted and lock.objsubid = 2
    and lock.database = (select oid from pg_database where datname = current_database())
    and lock.classid::bigint = %s::bigint and lock.objid::bigint = %s::bigint
"""
END_OLD_SELF = """
select pg_terminate_backend(pid) from pg_stat_activity
where application_name = %s and pid <> pg_backend_pid()
"""


class LeaseError(Exception):
    """The lease is not ours, so nothing may be written."""


class LeaseHeld(LeaseError):
    """Somebody else writes this shard; the message names them."""


class LeaseUnavailable(LeaseError):
    """The database could not say who the writer is."""


class Lease:
    """The right to write some shards of some topics, held by one connection to PostgreSQL.

    ``holder`` says who we are (``features/0``); others see it together with process and host. ``patience`` is how many
    seconds to wait for a database that is away. Not for several threads at once.
    """

    def __init__(
        self, url: str, holder: str, patience: float = 30.0, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = url
        self.patience = patience
        self.name = _name(holder)
        self.shards: list[tuple[str, int]] = []
        self.breaks = 0
        self._sleep = sleep
        self._connection: psycopg.Connection | None = None

    def take(self, topic: str, shard: int, wait_seconds: float = 0.0) -> None:
        """Become the one writer of ``shard`` of ``topic``; taking what we hold already changes nothing.

        Raises:
            LeaseHeld: when somebody else still is after ``wait_seconds``.
            LeaseUnavailable: when the database stays away longer than our patience.
        """
        if (topic, shard) not in self.shards:
            self._with_database(lambda connection: self._lock(connection, topic, shard, wait_seconds))
            self.shards.append((topic, shard))

    def check(self) -> bool:
        """Whether we held every lease without a break since the last call; ask at each epoch, before writing on.

        False means that the connection was lost and everything was taken again: somebody may have written in between,
        so the end of each shard must be read anew.

        Raises:
            LeaseHeld: when somebody else took a shard in the meantime.
            LeaseUnavailable: when the database stays away longer than our patience.
        """
        before = self.breaks
        self._with_database(lambda connection: connection.execute("select 1"))
        return self.breaks == before

    def shard(self, topic: str, shard: int, wait_seconds: float = 0.0) -> "ShardLease":
        """Take one shard, as ``take`` does, and return the right to it by itself."""
        self.take(topic, shard, wait_seconds)
        return ShardLease(self, topic, shard)

    def give_back(self, topic: str, shard: int) -> None:
        """Give one shard back; harmless when the database is away, as it forgets us with the connection."""
        if (topic, shard) in self.shards:
            self.shards.remove((topic, shard))
            try:
                if self._connection:
                    self._connection.execute("select pg_advisory_unlock(%s, %s)", [_key(topic), shard])
            except psycopg.OperationalError:
                self._drop()
        if not self.shards:
            self._drop()

    def release(self) -> None:
        """Give everything back. Repeating it is harmless."""
        self.shards.clear()
        self._drop()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _with_database(self, act: Callable[[psycopg.Connection], object]) -> None:
        """Run ``act`` on a connection that holds all our leases; reconnect for as long as patience lasts."""
        deadline = time.monotonic() + self.patience
        pause = 0.05
        while True:
            try:
                act(self._connection or self._reconnect())
                return
            except psycopg.OperationalError as error:
                self._drop()
                if time.monotonic() + pause > deadline:
                    raise LeaseUnavailable(
                        f"the database did not answer for {self.patience:.0f} s, so {self.name} cannot tell whether "
                        f"it is the only writer: {str(error).strip()}"
                    ) from error
                LOGGER.warning(
                    "lease.database_away", holder=self.name, patience=self.patience, error=str(error).strip()
                )
                self._sleep(pause)
                pause = min(pause * 2, 1.0)

    def _reconnect(self) -> psycopg.Connection:
        connection = psycopg.connect(self.url, autocommit=True, application_name=self.name, **LINK)
        try:
            connection.execute(END_OLD_SELF, [self.name])
            for topic, shard in self.shards:
                self._lock(connection, topic, shard, wait_seconds=2.0)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self.breaks += bool(self.shards)
        return connection

    def _lock(self, connection: psycopg.Connection, topic: str, shard: int, wait_seconds: float) -> None:
        key = _key(topic)
        if connection.execute("select pg_try_advisory_lock(%s, %s)", [key, shard]).fetchone() == (True,):
            return
        if wait_seconds > 0:
            try:
                connection.execute("select set_config('lock_timeout', %s, false)", [f"{int(wait_seconds * 1000)}ms"])
                connection.execute("select pg_advisory_lock(%s, %s)", [key, shard])
                return
            except psycopg.errors.LockNotAvailable:
                pass
        raise LeaseHeld(
            f"shard {shard} of {topic} already has a writer: {_holder(connection, key, shard)}; stop it first, "
            "one writer for each output is what makes a result exact"
        )

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


class ShardLease:
    """The right to write one shard of one topic: what a sink holds for each of its partitions."""

    def __init__(self, lease: Lease, topic: str, shard: int) -> None:
        self.topic = topic
        self.shard = shard
        self._lease = lease
        self._breaks = lease.breaks

    def check(self) -> bool:
        """As ``Lease.check``, of this shard: every holder hears of a break once, whoever noticed it."""
        self._lease.check()
        unbroken = self._lease.breaks == self._breaks
        self._breaks = self._lease.breaks
        return unbroken

    def release(self) -> None:
        """Give this shard back."""
        self._lease.give_back(self.topic, self.shard)


def writes(url: str, topic: str, shard: int) -> bool:
    """Whether somebody holds the right to write ``shard`` of ``topic`` now: a flow that runs, say.

    Raises:
        psycopg.OperationalError: when the database is away.
    """
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        return connection.execute(HOLDER, [_key(topic) % (1 << 32), shard]).fetchone() is not None


def _name(holder: str) -> str:
    """Who we are, in the bytes that PostgreSQL keeps (a long holder is cut); unique for every lease."""
    who = f"pid {os.getpid()} on {socket.gethostname()[:20]} {uuid.uuid4().hex[:6]}"
    return f"{holder.encode()[: LONGEST_NAME - len(who) - 1].decode(errors='ignore')} {who}"


def _key(topic: str) -> int:
    """A topic as the signed 32-bit number that an advisory lock is named by."""
    unsigned = crc32(f"lockstep/{topic}".encode())
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned


def _holder(connection: psycopg.Connection, key: int, shard: int) -> str:
    row = connection.execute(HOLDER, [key % (1 << 32), shard]).fetchone()
    if not row:
        return "it let go just now, try again"
    name, since, address = row
    return f"{name}{f' at {address}' if address else ''}, since {since:%Y-%m-%d %H:%M:%S} UTC"
