"""What happened in a run of the learning loop, in the order in which it happened, told from the log."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from connectors.log import Log
from reports.loop.material import Note
from schemas.codec import decode_command, decode_event, decode_learning, decode_quality, decode_signal
from schemas.command import Train
from schemas.governance import TrainingDone
from schemas.model import ModelActivated, ModelShadowed

MODEL_EVENT = b'"model.'
"""Stands in every model event, and in no market event that is worth decoding."""
QUIET = 60_000_000
"""Drift that is noticed again within this many microseconds is the same one."""
TELLING = ("drift", "degradation")
"""Triggers that say something of the market; the others say something of the calendar."""


class Story:
    """The notes of one strategy, from one shard of a log, as far as the log has come.

    Model events stand in every shard, so one shard tells of all of them.
    """

    def __init__(self, log: Log, strategy: str, start: int, shard: int = 0) -> None:
        self.log = log
        self.strategy = strategy
        self.shard = shard
        self.positions: dict[str, int] = {}
        self.drifted: dict[str, int] = {}
        self.signalled: set[str] = set()
        self.waiting = [Note(start, "warmup", "the log is empty: warm-up decides, by heuristics")]

    def news(self) -> list[Note]:
        """What the log says since the last call, by time; at the same time causes stand before effects."""
        found, self.waiting = self.waiting, []
        sources: tuple[tuple[str, Callable[[Sequence[bytes]], Iterator[Note]]], ...] = (
            ("quality", self._drift),
            ("commands", self._asked),
            ("learning", self._trained),
            ("events", self._changed),
            ("signals", self._signalled),
        )
        for topic, tell in sources:
            found += tell(self._new(topic))
        return sorted(found, key=lambda note: note.ts)

    def _new(self, topic: str) -> list[bytes]:
        first, last = self.positions.get(topic, self.log.start(topic, self.shard)), self.log.end(topic, self.shard)
        found, self.positions[topic] = list(values(self.log, topic, self.shard, first)), last
        return found

    def _drift(self, new: Sequence[bytes]) -> Iterator[Note]:
        for record in map(decode_quality, new):
            if record.problem != "model.drift" or record.detail.get("strategy") != self.strategy:
                continue
            model = str(record.detail.get("model", "online"))
            if record.ts - self.drifted.get(model, -QUIET) >= QUIET:
                yield Note(record.ts, "drift", f"drift: the errors of {model} are no longer what they were", model)
            self.drifted[model] = record.ts

    def _asked(self, new: Sequence[bytes]) -> Iterator[Note]:
        for command in map(decode_command, new):
            if isinstance(command, Train) and command.strategy == self.strategy and command.trigger in TELLING:
                yield Note(command.ts, "asked", f"a training is asked for: {command.reason or command.trigger}")

    def _trained(self, new: Sequence[bytes]) -> Iterator[Note]:
        for done in map(decode_learning, new):
            if not isinstance(done, TrainingDone) or done.strategy != self.strategy:
                continue
            if done.status != "ready":
                yield Note(done.ts, "failed", f"the training ended without a model: {done.error or done.status}")
                continue
            accuracy = done.metrics.get("accuracy")
            tested = "" if accuracy is None else f", right in {accuracy:.1%} of its test split"
            yield Note(done.ts, "trained", f"trained {done.version} on {done.rows:,} rows{tested}", done.version)

    def _changed(self, new: Sequence[bytes]) -> Iterator[Note]:
        decoded = [decode_event(value) for value in new if MODEL_EVENT in value]
        events = [one for one in decoded if isinstance(one, ModelActivated | ModelShadowed)]
        for _, together in groupby(events, key=lambda event: event.recv):
            at_once = [event for event in together if event.strategy == self.strategy]
            promoted = {event.version for event in at_once if isinstance(event, ModelActivated)}
            yield from filter(None, (change(event, promoted) for event in at_once))

    def _signalled(self, new: Sequence[bytes]) -> Iterator[Note]:
        for signal in map(decode_signal, new):
            version = signal.model_version
            if signal.strategy == self.strategy and version and version not in self.signalled:
                self.signalled.add(version)
                text = f"first signal by {version}: {signal.side}, {signal.confidence:.0%} sure"
                yield Note(signal.ts, "signal", text, version)


def change(event: ModelActivated | ModelShadowed, promoted: set[str | None]) -> Note | None:
    """The note of a model event. That a candidate leaves the shadow when it takes over goes without saying."""
    why = f": {event.reason}" if event.reason else ""
    if isinstance(event, ModelActivated):
        if event.version is None:
            return Note(event.recv, "fallback", f"back to warm-up{why}")
        return Note(event.recv, "promoted", f"{event.version} takes over{why}", event.version)
    if event.watching:
        return Note(event.recv, "shadow", f"{event.version} in shadow: it predicts and decides nothing", event.version)
    if event.version in promoted:
        return None
    return Note(event.recv, "dismissed", f"{event.version} is dismissed{why}", event.version)


def values(log: Log, topic: str, shard: int, first: int | None = None) -> Iterator[bytes]:
    """The values of a shard of a topic from offset ``first`` (None: its start) to where it ends now."""
    stop = log.end(topic, shard)
    reader = log.reader(topic, shard, log.start(topic, shard) if first is None else first)
    try:
        while reader.position < stop:
            batch = reader.poll_raw(5_000)
            yield from (value for offset, value in batch if value is not None and offset < stop)
            if not batch:
                reader.wait(0.2)
    finally:
        reader.close()
