"""Balances: from ws-gateway's table, asked for anew when they are old, or from its queue."""

import asyncio
import json
import time
from collections.abc import Callable

import psycopg
import structlog

from connectors.pace import wall_clock
from connectors.peers.balances import balance_event, read_balances
from connectors.peers.gateway import sync_balances
from connectors.peers.peer import Peer, PeerError
from connectors.rabbitmq.balance_message import balance_events
from connectors.rabbitmq.consume import Delivery
from connectors.rabbitmq.journal import Journal
from connectors.rabbitmq.progress import Database
from connectors.rabbitmq.read import REFUSED, readable
from schemas.account import BalanceEvent

EVERY = 5.0
"""Seconds between two looks at the table."""
OLD = 60_000_000
"""Microseconds after which a balance is old."""
SYNC_EVERY = 30.0
"""Seconds between two requests for fresh balances."""
OVERLAP = 10_000_000
"""Microseconds: a row may become visible a little after a younger one."""


class Balances:
    """Puts what the account holds on the log, in every shard, whenever a newer row of a coin appears."""

    def __init__(
        self,
        journal: Journal,
        database: Database,
        gateway: Peer | None = None,
        since: int = 0,
        every: float = EVERY,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.journal, self.database, self.gateway = journal, database, gateway
        self.since, self.every, self.clock = since, every, clock
        self.newest: dict[str, int] = {}
        """When the row that was last written was received, by coin."""
        self.syncs = 0
        self.failures = 0
        self.asked = -SYNC_EVERY

    async def poll(self) -> None:
        """Look at the table, until cancelled."""
        while True:
            try:
                await self.look()
            except psycopg.Error as error:
                self.failures += 1
                structlog.get_logger().error("bridge.balances_unread", problem=str(error).strip())
            await asyncio.sleep(self.every)

    async def look(self) -> list[BalanceEvent]:
        """Write what is new in the table; returns it.

        Raises:
            psycopg.Error: when it cannot be read.
        """
        found = await self.database.once(lambda connection: read_balances(connection, self.since))
        events = []
        for row in found.rows:
            if row["received_at"] <= self.newest.get(row["coin"], 0):
                continue
            self.newest[row["coin"]] = row["received_at"]
            try:
                events.append(balance_event(row, self.clock()))
            except REFUSED as error:
                await self.journal.dead("bridge/account_balances", str(error), json.dumps(row, default=str).encode())
        written = await self.journal.write(events)
        newest = max(self.newest.values(), default=0)
        self.since = max(self.since, newest - OVERLAP)
        if found.now - newest > OLD:
            await self._sync()
        return written

    async def take(self, deliveries: list[Delivery]) -> None:
        """Take messages of ``ws-gateway.balance``; back when what they say is on the log."""
        said = await readable(
            self.journal,
            deliveries,
            lambda delivery: balance_events(delivery.body, self.clock(), delivery.trace_id),
        )
        await self.journal.write([event for events in said for event in events])

    async def _sync(self) -> None:
        """Have the gateway ask the exchange; not too often."""
        if self.gateway is None or time.monotonic() - self.asked < SYNC_EVERY:
            return
        self.asked = time.monotonic()
        self.syncs += 1
        try:
            await sync_balances(self.gateway)
        except PeerError as error:
            self.failures += 1
            structlog.get_logger().warning("bridge.balances_old", problem=str(error))
