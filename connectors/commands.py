"""Follows the ``commands`` topic for what the collector can do: fetch a fresh book."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import structlog

from connectors.log import Log, LogUnavailable, OffsetBeyondEnd, OffsetTrimmed, Reader
from schemas.codec import UNREADABLE, decode_command
from schemas.command import Resync
from schemas.topics import COMMANDS

_NAP = 0.1
_LIMIT = 1_000


class Commands:
    """Obeys commands that are appended after ``begin``, within about a tenth of a second.

    Args:
        log: where the commands are.
        shards: of the topic ``commands``.
        resync: called in the event loop with the symbol.
    """

    def __init__(self, log: Log, shards: int, resync: Callable[[str], Awaitable[None]]) -> None:
        self.log = log
        self.shards = shards
        self.resync = resync
        self.stopped = threading.Event()
        self.obeyed = 0
        self.positions: dict[int, int] = {}

    def begin(self) -> None:
        """Commands from here on count.

        Raises:
            LogUnavailable: when the log is away.
        """
        self.positions = {shard: self.log.end(COMMANDS.name, shard) for shard in range(self.shards)}

    async def run(self) -> None:
        """Follow the topic until cancelled."""
        inbox: asyncio.Queue[Resync] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def found(command: Resync) -> None:
            loop.call_soon_threadsafe(inbox.put_nowait, command)

        thread = threading.Thread(target=self._follow, args=(found,), name="commands", daemon=True)
        thread.start()
        try:
            while True:
                command = await inbox.get()
                self.obeyed += 1
                structlog.get_logger().info("command.resync", symbol=command.symbol, reason=command.reason)
                await self.resync(command.symbol)
        finally:
            self.stopped.set()
            await loop.run_in_executor(None, thread.join)

    def _follow(self, found: Callable[[Resync], None]) -> None:
        """Read every shard. An outage of the log is waited out."""
        readers: dict[int, Reader] = {}
        while not self.stopped.is_set():
            try:
                for shard, position in self.positions.items():
                    if shard not in readers:
                        readers[shard] = self.log.reader(COMMANDS.name, shard, position)
                    self._read(readers[shard], found)
                    self.positions[shard] = readers[shard].position
                readers[0].wait(_NAP)
            except (OffsetTrimmed, OffsetBeyondEnd) as error:
                structlog.get_logger().warning("commands.skipped", problem=str(error))
                _close(readers)
                self._wait_and_begin()
            except LogUnavailable as error:
                structlog.get_logger().warning("commands.away", problem=str(error))
                self.stopped.wait(1.0)
        _close(readers)

    def _wait_and_begin(self) -> None:
        """What was trimmed away cannot be obeyed: go on at the end."""
        try:
            self.begin()
        except LogUnavailable:
            self.stopped.wait(1.0)

    def _read(self, reader: Reader, found: Callable[[Resync], None]) -> None:
        for offset, value in reader.poll_raw(_LIMIT):
            try:
                found(decode_command(value or b""))
            except UNREADABLE as error:
                structlog.get_logger().warning(
                    "command.unreadable", topic=COMMANDS.name, offset=offset, problem=str(error)
                )


def _close(readers: dict[int, Reader]) -> None:
    for reader in readers.values():
        reader.close()
    readers.clear()
