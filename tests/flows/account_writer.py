"""A second writer on ``events``: what happened to an account, at random moments between market events."""

import time
from random import Random
from threading import Event, Thread

from connectors.log import NewRecord
from schemas.account import AccountEvent, BalanceEvent, OrderEvent, PositionEvent
from schemas.codec import encode
from schemas.topics import shard_of
from tests.installation import Installation

SYMBOLS = ("BTCUSDT", "ETHUSDT")
STRATEGIES = ("steady", "wild")


class AccountWriter:
    """While it is open, it writes orders that fill, positions and balances of an account."""

    def __init__(self, installation: Installation) -> None:
        self.log = installation.log()
        self.shards = installation.shards
        self.random = Random(11)
        self.over = Event()
        self.orders = 0
        self.thread = Thread(target=self._write)

    def __enter__(self) -> "AccountWriter":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self.log.close()

    def _write(self) -> None:
        self._balance()
        while not self.over.is_set():
            symbol = self.random.choice(SYMBOLS)
            for event in self._events(symbol):
                self._append(shard_of(symbol, self.shards), event)
            if self.random.random() < 0.1:
                self._balance()
            time.sleep(self.random.uniform(0, 0.02))

    def _events(self, symbol: str) -> list[AccountEvent]:
        """An order that fills in two steps, sometimes told twice, and the position afterwards."""
        self.orders += 1
        price = 65_000.0 if symbol == "BTCUSDT" else 3_200.0
        size = round(self.random.uniform(0.001, 0.2), 3)
        side = self.random.choice(("buy", "sell"))
        now = time.time_ns() // 1_000
        strategy = self.random.choice(STRATEGIES)
        order = f"order-{self.orders}"
        steps = [("partially_filled", size / 2), ("filled", size)]
        events: list[AccountEvent] = [
            OrderEvent(
                symbol,
                now,
                now,
                order,
                side,
                "market",
                size,
                status,
                filled=filled,
                average_price=price,
                fees=filled * price * 0.0005,
                strategy=strategy,
                source="test",
            )
            for status, filled in steps
        ]
        if self.random.random() < 0.2:
            events.append(events[-1])
        position = round(self.random.uniform(-0.5, 0.5), 3)
        return [*events, PositionEvent(symbol, now, now, position, price, source="test")]

    def _balance(self) -> None:
        now = time.time_ns() // 1_000
        amount = round(self.random.uniform(100, 20_000), 2)
        for shard in range(self.shards):
            self._append(shard, BalanceEvent("USDT", now, now, amount, amount, source="test"))

    def _append(self, shard: int, event: AccountEvent) -> None:
        self.log.append("events", shard, [NewRecord(None, encode(event), event.recv)])
