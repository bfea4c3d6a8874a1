"""The engine of one shard: raw messages in, records in origin order out. Plain Python, no I/O."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from schemas.codec import UNREADABLE, decode_event
from schemas.dead import DeadLetter
from schemas.origin import Origin
from schemas.output import TOPIC_OF, Output, output

Raw = tuple[int, bytes | None]
"""(offset, value) of one message of the shard."""


class Cursor:
    """Names the outputs of the event at hand. Stages share one and call ``next`` for every record they make.

    >>> cursor = Cursor(shard=3)
    >>> cursor.at(17); cursor.next(), cursor.next()
    (Origin(shard=3, offset=17, index=0), Origin(shard=3, offset=17, index=1))
    """

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.offset = -1
        self.index = 0

    def at(self, offset: int) -> None:
        """Begin with the event at ``offset``."""
        self.offset = offset
        self.index = 0

    def next(self) -> Origin:
        """The origin of the next output of this event."""
        origin = Origin(self.shard, self.offset, self.index)
        self.index += 1
        return origin


class Refused(ValueError):
    """A stage cannot take an event that could be read; the message is the reason. It becomes a dead letter."""


ORIGIN = attrgetter("origin")
Chain = list[tuple[Callable[[Any, list[Any]], None], frozenset[type] | None]]
"""(feed, the types it is interested in; None: all) of each stage"""
REFUSALS = (*UNREADABLE, Refused)
"""What makes a dead letter of a message."""


class Stage(Protocol):
    """A deterministic state machine over the ordered stream of one shard.

    A stage that is only interested in some kinds of record says so in ``takes``, a frozenset of types: it is then not
    asked about an event of another kind that nobody before it made anything of.
    """

    layout: int
    """Raised whenever the form of ``snapshot`` changes, so that no older one is ever restored."""

    def feed(self, record: Any, out: list[Any]) -> None:
        """Append to ``out`` what flows on: derived records, and ``record`` itself unless it is consumed."""
        ...

    def snapshot(self) -> Any:
        """The whole state as plain data."""
        ...

    def restore(self, state: Any) -> None:
        """Take the state of a snapshot over."""
        ...


class Beginning(msgspec.Struct, frozen=True, array_like=True):
    """How an engine begins in the middle of a log, where the stages that remember without bound cannot know the past.

    Up to and including offset ``asleep`` only the first ``awake`` stages are fed: they forget, so what they know then
    is right. There the others take over ``state`` (None: they begin with nothing), and ``events`` are fed, as if they
    had stood on the log right behind that offset. Outputs of offsets before ``quiet`` are not wanted. ``before`` are
    events that the first ``awake`` stages must know of, but would not find by looking back: they are fed as if they had
    stood right before the first message, and nothing comes of them.
    """

    asleep: int = -1
    state: bytes | None = None
    events: tuple[bytes, ...] = ()
    quiet: int = 0
    before: tuple[bytes, ...] = ()


def pack(stages: Sequence[Stage]) -> bytes:
    """The state of stages as immutable bytes."""
    return msgspec.msgpack.encode([[stage.layout, stage.snapshot()] for stage in stages])


def unpack(stages: Sequence[Stage], state: bytes) -> None:
    """Have stages take over what ``pack`` made of them.

    Raises:
        ValueError: when it was made by stages of another layout.
    """
    parts = msgspec.msgpack.decode(state)
    if [layout for layout, _ in parts] != [stage.layout for stage in stages]:
        raise ValueError("the snapshot has another layout: discard the recovery directory and rebuild from the log")
    for stage, (_, data) in zip(stages, parts, strict=True):
        stage.restore(data)


class Engine:
    """Feeds one shard through a chain of stages.

    The bytes of the outputs depend on the messages and their offsets alone: not on how ``feed`` was called, nor on
    snapshots and restores in between. A message that cannot be read, or that a stage refuses, becomes a dead letter and
    changes no state.

    Args:
        shard: its number.
        build: makes the stages.
        beginning: where the engine does not begin with the first message of the log.
        awake: how many of the stages, from the first on, forget by themselves.
    """

    def __init__(
        self,
        shard: int,
        build: Callable[[Cursor], Sequence[Stage]],
        beginning: Beginning | None = None,
        awake: int = 1,
    ) -> None:
        self.cursor = Cursor(shard)
        self.stages = list(build(self.cursor))
        self.beginning = beginning
        self.awake = awake
        self.fed = 0

    def feed(self, messages: Iterable[Raw]) -> list[Output]:
        """Process messages in offset order."""
        begin = self.beginning
        if begin is None:
            return self._feed(messages, self.stages)
        messages = list(messages)
        if begin.before and messages:
            self._feed([(messages[0][0], event) for event in begin.before], self.stages[: self.awake])
            begin = self.beginning = msgspec.structs.replace(begin, before=())
        asleep = [message for message in messages if message[0] <= begin.asleep]
        self._feed(asleep, self.stages[: self.awake])
        if len(asleep) == len(messages):
            return []
        if begin.state is not None or begin.events or begin.asleep >= 0:
            self._wake(begin)
            begin = self.beginning = Beginning(quiet=begin.quiet)
        outputs = self._feed(messages[len(asleep) :], self.stages)
        if messages[-1][0] >= begin.quiet:
            self.beginning = None
        return [output for output in outputs if output.origin.offset >= begin.quiet]

    def snapshot(self) -> bytes:
        """The state of all stages as immutable bytes."""
        return msgspec.msgpack.encode([self.beginning, pack(self.stages)])

    def restore(self, state: bytes) -> None:
        """Take over a snapshot.

        Raises:
            ValueError: when it was made by stages of another layout.
        """
        beginning, stages = msgspec.msgpack.decode(state, type=tuple[Beginning | None, bytes])
        unpack(self.stages, stages)
        self.beginning = beginning

    def _wake(self, begin: Beginning) -> None:
        if begin.state is not None:
            unpack(self.stages[1:], begin.state)
        self._feed([(begin.asleep, event) for event in begin.events], self.stages)

    def _feed(self, messages: Iterable[Raw], stages: Sequence[Stage]) -> list[Output]:
        outputs: list[Output] = []
        begin = self.cursor.at
        chain: Chain = [(stage.feed, getattr(stage, "takes", None)) for stage in stages]
        several = len(stages) > 1
        count = 0
        for offset, value in messages:
            begin(offset)
            count += 1
            try:
                event = decode_event(value or b"")
                records = self._through(event, chain)
            except REFUSALS as error:
                event, records = None, [self._dead_letter(value or b"", str(error))]
            derived = [record for record in records if record is not event and type(record) in TOPIC_OF]
            if several and len(derived) > 1:
                # Each stage answers the records of the one before, so what they make comes out interleaved.
                derived.sort(key=ORIGIN)
            outputs += map(output, derived)
        self.fed += count
        return outputs

    @staticmethod
    def _through(event: Any, chain: Chain) -> list[Any]:
        records = [event]
        for feed, takes in chain:
            if takes is not None and len(records) == 1 and type(records[0]) not in takes:
                continue
            out: list[Any] = []
            for record in records:
                feed(record, out)
            records = out
        return records

    def _dead_letter(self, raw: bytes, reason: str) -> DeadLetter:
        return DeadLetter.of("events", reason, raw, origin=self.cursor.next())
