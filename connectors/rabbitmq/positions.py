"""Positions: hints from a queue, and what position-manager answers when it is asked."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from connectors.pace import wall_clock
from connectors.peers.peer import Peer, PeerError
from connectors.peers.positions import read_position
from connectors.rabbitmq.consume import Delivery
from connectors.rabbitmq.journal import Journal
from connectors.rabbitmq.position_message import position_event
from connectors.rabbitmq.read import readable
from schemas.account import PositionEvent

EVERY = 30.0
"""Seconds between two questions about a symbol that is held."""
HINT_AGE = 30_000_000
"""Microseconds: an older hint is no news; it only has the position asked for."""
TOLERANCE = 1e-8
"""Sizes that differ by no more are the same."""

Net = Callable[[str], Awaitable[float | None]]
"""symbol -> what its filled orders add up to, in base currency; None: not known"""


@dataclass
class PositionCounts:
    """What was done with positions. ``unknown``: questions without a usable answer."""

    hints: int = 0
    old_hints: int = 0
    answers: int = 0
    unknown: int = 0
    mismatches: int = 0


class Positions:
    """Puts positions on the log: a hint at once, if it is young, and then the answer to a question about it.

    A hint that waited long in its queue may be about a position that is closed since; acting on it would open another
    one. So with a ``peer`` to ask, old hints, and those that came out of order, are only a reason to ask. What is held
    is asked for every ``every`` seconds; at the start, everything.
    """

    def __init__(
        self,
        journal: Journal,
        peer: Peer | None,
        symbols: Iterable[str] = (),
        *,
        every: float = EVERY,
        net: Net | None = None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.journal, self.peer, self.every, self.net, self.clock = journal, peer, every, net, clock
        self.counts = PositionCounts()
        self.sizes: dict[str, float] = {}
        """The last known size by symbol."""
        self.newest: dict[str, int] = {}
        """The time of the newest hint by symbol."""
        self.wanted: dict[str, str | None] = dict.fromkeys(symbols)
        """Symbols to ask for, with the trace id of the reason."""
        self.wake = asyncio.Event()

    async def hints(self, deliveries: list[Delivery]) -> None:
        """Take messages of ``position_updated``; back when what they say is on the log."""
        events = []
        for event in await readable(self.journal, deliveries, self._read):
            self.counts.hints += 1
            old = event.ts < self.newest.get(event.symbol, 0) or self.clock() - event.ts > HINT_AGE
            self.newest[event.symbol] = max(event.ts, self.newest.get(event.symbol, 0))
            if self.peer is not None and old:
                self.counts.old_hints += 1
            else:
                events.append(event)
                self.sizes[event.symbol] = event.size
            self.ask(event.symbol, event.trace_id)
        await self.journal.write(events)

    def ask(self, symbol: str, trace_id: str | None = None) -> None:
        """Have the position asked for soon."""
        self.wanted[symbol] = trace_id
        self.wake.set()

    async def run(self) -> None:
        """Ask, until cancelled; only with a ``peer``."""
        while True:
            wanted, self.wanted = self.wanted, {}
            for symbol, trace_id in wanted.items():
                await self.reconcile(symbol, trace_id)
            try:
                async with asyncio.timeout(self.every):
                    await self.wake.wait()
            except TimeoutError:
                for symbol in sorted(symbol for symbol, size in self.sizes.items() if size):
                    self.wanted.setdefault(symbol, None)
            self.wake.clear()

    async def reconcile(self, symbol: str, trace_id: str | None = None) -> PositionEvent | None:
        """Ask for one position and put the answer on the log. None: it is not known, and nothing is written."""
        assert self.peer is not None, "only called with somebody to ask"
        try:
            event = await read_position(self.peer, symbol, self.clock(), trace_id)
            (event,) = await self.journal.write([event], again=True)
        except (PeerError, ValueError) as error:
            self.counts.unknown += 1
            structlog.get_logger().warning(
                "bridge.position_unknown", symbol=symbol, problem=str(error), trace_id=trace_id,
                advice="the last known position stays; unknown is not flat",
            )  # fmt: skip
            return None
        self.counts.answers += 1
        self._compare(symbol, "hint", self.sizes.get(symbol), event.size, trace_id)
        self.sizes[symbol] = event.size
        if self.net is not None:
            self._compare(symbol, "filled orders", await self.net(symbol), event.size, trace_id)
        return event

    def _read(self, delivery: Delivery) -> PositionEvent:
        return position_event(delivery.body, self.clock(), delivery.trace_id)

    def _compare(self, symbol: str, what: str, expected: float | None, answer: float, trace_id: str | None) -> None:
        if expected is not None and abs(expected - answer) > TOLERANCE:
            self.counts.mismatches += 1
            structlog.get_logger().warning(
                "bridge.position_mismatch", symbol=symbol, compared_with=what, expected=expected, answer=answer,
                trace_id=trace_id,
            )  # fmt: skip
