"""Where a log is, as plain data, so that another process of ours can open it for itself."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from connectors.log import Log, LogError

Address = dict[str, Any]
"""``home`` and what that home needs. It may hold a cluster's password: hand it through a pipe, store it nowhere."""


@runtime_checkable
class Addressed(Protocol):
    """A log that can be opened again elsewhere."""

    def address(self) -> Address | None:
        """What ``open_address`` opens; None where a log below it has no address."""
        ...


def address_of(log: Log) -> Address | None:
    """Where ``log`` is; None for one that only this process can read.

    >>> from tempfile import mkdtemp
    >>> from connectors.log.sqlite import SqliteLog
    >>> from connectors.log.prefixed import PrefixedLog
    >>> address = address_of(PrefixedLog(SqliteLog(Path(mkdtemp())), "a."))
    >>> address["home"], address["prefix"], address["log"]["home"]
    ('prefixed', 'a.', 'sqlite')
    >>> open_address(address).topics()
    []
    """
    return log.address() if isinstance(log, Addressed) else None


def open_address(address: Address) -> Log:
    """Open the log that is there.

    Raises:
        LogError: for a home that is not known, or a log that cannot be opened.
    """
    home = address["home"]
    if home == "sqlite":
        from connectors.log.sqlite import SqliteLog

        return SqliteLog(Path(address["root"]))
    if home == "kafka":
        from connectors.log.kafka import KafkaLog

        return KafkaLog(address["bootstrap"], address["settings"])
    if home == "prefixed":
        from connectors.log.prefixed import PrefixedLog

        return PrefixedLog(open_address(address["log"]), address["prefix"])
    if home == "archive":
        from connectors.archive.log import ArchiveLog

        return ArchiveLog(open_address(address["log"]), Path(address["root"]))
    if home == "history":
        from connectors.history.log import HistoryLog

        below, root = open_address(address["log"]), Path(address["root"])
        rest = (address["symbols"], tuple(address["window"]), address["sources"], address["files"])
        return HistoryLog(below, root, *rest)
    raise LogError(f"there is no home of the log called {home!r}: this process is of another version than its parent")
