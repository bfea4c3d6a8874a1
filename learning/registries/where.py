"""Where the versions of an installation are: their files, the database that knows them, the log they count on."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from connectors.log import Log, LogError
from connectors.postgres.lease import Lease, LeaseHeld
from connectors.postgres.registry_versions import Rows
from learning.registries.errors import Busy
from learning.registries.files import RegistryFiles
from schemas.topics import EVENTS

PATIENCE = 5.0
"""Seconds to wait for a database that is away."""
LEASE = "registry.activations"


@dataclass(frozen=True)
class Where:
    """One installation.

    Args:
        files: the registries' files.
        url: the database.
        open_log: opens the log.
        initial: the version that the settings name: in force on a log without an activation.
        prefix: of this installation's topics, where several share a cluster.
        symbols: those that are collected; empty: those that the log has.
    """

    files: RegistryFiles
    url: str
    open_log: Callable[[], Log]
    initial: Callable[[], str]
    prefix: str = ""
    symbols: tuple[str, ...] = ()

    @contextmanager
    def database(self) -> Iterator[Rows]:
        """A connection; each statement is a transaction unless the caller opens one.

        Raises:
            psycopg.OperationalError: when the database is away.
        """
        options: dict[str, Any] = {"connect_timeout": int(PATIENCE), "options": "-c timezone=UTC"}
        with psycopg.connect(
            self.url, autocommit=True, row_factory=dict_row, application_name="lockstep registry", **options
        ) as connection:
            yield connection

    @contextmanager
    def log(self) -> Iterator[tuple[Log, int]]:
        """The log, and how many shards its events have.

        Raises:
            LogError: when it cannot be used, or has no events yet.
        """
        with closing(self.open_log()) as log:
            shards = next((info.shards for info in log.topics() if info.name == EVENTS.name), 0)
            if not shards:
                raise LogError("the log has no topic events: start a flow or run lockstep migrate, then try again")
            yield log, shards

    @contextmanager
    def alone(self, by: str, wait: float = 0.0) -> Iterator[None]:
        """Be the only one who changes what is in force.

        Raises:
            Busy: naming who else does.
        """
        with Lease(self.url, f"registry {by}", PATIENCE) as lease:
            try:
                lease.take(self.prefix + LEASE, 0, wait)
            except LeaseHeld as error:
                raise Busy(
                    f"another activation, rollback or reload is being made now, so this one was not begun ({error});"
                    " look at what it came to, then try again"
                ) from None
            yield
