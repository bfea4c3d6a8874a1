"""Trainings that were asked for: one runs, the others wait by priority."""

from enum import IntEnum

import msgspec

from schemas.command import Train
from schemas.governance import TrainingDone

LIMIT = 10
"""Requests that may wait."""


class Priority(IntEnum):
    """The smaller, the sooner."""

    CRITICAL = 0
    """The model is bad now: degradation, drift."""
    HIGH = 1
    """Somebody waits for it: a person, the schedule."""
    NORMAL = 2
    """There is more to learn from."""


PRIORITIES = {
    "degradation": Priority.CRITICAL,
    "drift": Priority.CRITICAL,
    "manual": Priority.HIGH,
    "schedule": Priority.HIGH,
    "interval": Priority.HIGH,
    "rows": Priority.NORMAL,
    "executions": Priority.NORMAL,
}


class Request(msgspec.Struct, frozen=True):
    """A training that is to be made. ``ids`` are those of the commands that it answers, the oldest first."""

    strategy: str
    trigger: str
    priority: Priority
    urgent: bool
    asked: int
    """When it was asked for first, in microseconds UTC."""
    ids: tuple[str, ...]
    symbol: str | None = None
    reason: str = ""


def request_of(command: Train, place: str) -> Request:
    """The request that a command makes; ``place`` names a command that has no id of its own."""
    priority = PRIORITIES[command.trigger]
    urgent = command.urgent
    ids = (command.request_id or place,)
    return Request(command.strategy, command.trigger, priority, urgent, command.ts, ids, command.symbol, command.reason)


class Queue:
    """What waits, and what runs.

    Two requests for the same strategy and symbol are one training: it has the newest data anyway. A request is over
    when a ``TrainingDone`` answers it.

    >>> queue = Queue()
    >>> queue.add(request_of(Train("a", 1, "rows"), "0/0")); queue.add(request_of(Train("b", 2, "drift"), "0/1"))
    >>> queue.next().strategy
    'b'
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.waiting: list[Request] = []
        self.running: Request | None = None
        self._answered: set[str] = set()

    def add(self, request: Request) -> Request | None:
        """Take a request; returns the one that there is no place for: the least pressing, of those the youngest."""
        if request.ids[0] in self._answered or any(request.ids[0] in one.ids for one in self._all()):
            return None
        for index, one in enumerate(self.waiting):
            if (one.strategy, one.symbol) == (request.strategy, request.symbol):
                self.waiting[index] = _merged(one, request)
                return None
        self.waiting.append(request)
        if len(self.waiting) <= self.limit:
            return None
        last = max(self.waiting, key=_rank)
        self.waiting.remove(last)
        return last

    def next(self) -> Request | None:
        """What should run first."""
        return min(self.waiting, key=_rank, default=None)

    def start(self, request: Request) -> None:
        """It runs from now on."""
        self.waiting.remove(request)
        self.running = request

    def stop(self) -> None:
        """It runs no longer, without an answer: it waits again."""
        if self.running is not None:
            self.waiting.append(self.running)
            self.running = None

    def overtaken(self) -> Request | None:
        """The urgent request for what runs just now, which has to begin again with the newer data."""
        if self.running is None:
            return None
        running = self.running.strategy, self.running.symbol
        return next((one for one in self.waiting if one.urgent and (one.strategy, one.symbol) == running), None)

    def answered(self, done: TrainingDone) -> None:
        """Forget what a training answered."""
        self._answered.update(done.requests)
        for one in self.waiting.copy():
            left = tuple(name for name in one.ids if name not in self._answered)
            self.waiting.remove(one)
            if left:
                self.waiting.append(msgspec.structs.replace(one, ids=left))
        if self.running is not None and self._answered.issuperset(self.running.ids):
            self.running = None

    def _all(self) -> list[Request]:
        return [*self.waiting, *([self.running] if self.running else [])]


def _rank(request: Request) -> tuple[int, int, str]:
    return request.priority, request.asked, request.ids[0]


def _merged(first: Request, second: Request) -> Request:
    pressing = min(first, second, key=lambda one: one.priority)
    return Request(
        first.strategy,
        pressing.trigger,
        pressing.priority,
        first.urgent or second.urgent,
        min(first.asked, second.asked),
        first.ids + second.ids,
        first.symbol,
        pressing.reason,
    )
