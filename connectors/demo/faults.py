"""Faults of an exchange and its network, over any stream of Bybit frames: seeded, switchable, reported."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from random import Random
from typing import Literal, NamedTuple

from connectors.demo.restart import Restarts
from connectors.frames import Frame

Kind = Literal["lost", "repeated", "reordered", "malformed", "restarted", "stalled"]


@dataclass(frozen=True)
class FaultRates:
    """How often each fault happens, as a probability per frame (0: never)."""

    lost: float = 0.0
    """The frame never arrives."""
    repeated: float = 0.0
    """It arrives twice."""
    reordered: float = 0.0
    """It arrives after the frame that follows it."""
    malformed: float = 0.0
    """Its bytes are broken."""
    restarted: float = 0.0
    """The service restarts: before the next delta of a book, a snapshot with ``u`` = 1."""
    stalled: float = 0.0
    """Nothing arrives for ``stall_seconds``, then everything at once."""
    stall_seconds: float = 3.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "stall_seconds" and not 0.0 <= value <= 1.0:
                raise ValueError(f"fault rate {item.name!r} must be in 0..1, not {value}")


class Fault(NamedTuple):
    """One fault: what was done to the frame at this place in the incoming stream (from 0)."""

    kind: Kind
    place: int
    frame: Frame


@dataclass
class FaultReport:
    """What was done, for tests and for the eye."""

    faults: list[Fault] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How often each fault happened."""
        return dict(Counter(fault.kind for fault in self.faults))


class Faults:
    """Does to each frame what its rates and its seed say. A pure function of the seed and the frames.

    >>> faults = Faults(FaultRates(repeated=1.0), seed=1)
    >>> len(faults.feed(Frame("bybit", "linear", 1, b"{}")))
    2
    >>> faults.report.counts
    {'repeated': 1}
    """

    def __init__(self, rates: FaultRates, seed: int) -> None:
        self.rates = rates
        self.rng = Random(f"{seed}/faults")
        self.report = FaultReport()
        self.restarts = Restarts()
        self.seen = 0
        self.held: list[Frame] = []
        """Frames that wait to come out after the next one."""
        self.silent_until = 0
        self.waiting: list[Frame] = []
        """Frames of a stall."""

    def feed(self, frame: Frame) -> list[Frame]:
        """The frames that arrive now in place of this one, in order."""
        out = self._mangle(self._restart(frame))
        self.seen += 1
        return self._stall(frame, out)

    def flush(self) -> list[Frame]:
        """What was still held back when the stream ended."""
        waiting = [item._replace(recv=max(item.recv, self.silent_until)) for item in self.waiting]
        rest = [*waiting, *self.held]
        self.waiting, self.held = [], []
        return rest

    def _hit(self, kind: Kind, frame: Frame) -> bool:
        """Whether this fault strikes now. A fault that is switched off draws no number."""
        rate = getattr(self.rates, kind)
        if not rate or self.rng.random() >= rate:
            return False
        self.report.faults.append(Fault(kind, self.seen, frame))
        return True

    def _restart(self, frame: Frame) -> Frame:
        """The frame as a service that restarts now and then would number it."""
        if not self.rates.restarted:
            return frame
        restart = self.restarts.can_restart(frame) and self._hit("restarted", frame)
        return self.restarts.feed(frame, restart)

    def _mangle(self, frame: Frame) -> list[Frame]:
        """At most one of the transport's faults."""
        if self._hit("lost", frame):
            return []
        if self._hit("malformed", frame):
            return self._release([frame._replace(data=self._break(frame.data))], frame.recv)
        if self._hit("repeated", frame):
            return self._release([frame, frame], frame.recv)
        if not self.held and self._hit("reordered", frame):
            self.held.append(frame)
            return []
        return self._release([frame], frame.recv)

    def _release(self, frames: list[Frame], recv: int) -> list[Frame]:
        """A held frame comes out behind the one that overtook it, and was received no earlier."""
        if self.held:
            frames += [late._replace(recv=max(late.recv, recv)) for late in self.held]
            self.held = []
        return frames

    def _stall(self, frame: Frame, out: list[Frame]) -> list[Frame]:
        """Hold everything back while the line is silent."""
        if frame.recv < self.silent_until:
            self.waiting += out
            return []
        late = [item._replace(recv=self.silent_until) for item in self.waiting]
        self.waiting = []
        if self._hit("stalled", frame):
            self.silent_until = frame.recv + int(self.rates.stall_seconds * 1e6)
            self.waiting = out
            return late
        return late + out

    def _break(self, data: bytes) -> bytes:
        """Bytes that no reader can take for the frame: cut off, garbled, of another kind."""
        return self.rng.choice(
            (
                lambda: data[: self.rng.randrange(1, max(2, len(data)))],
                lambda: b"\xff\xfe" + data,
                lambda: data.replace(b":", b";", 1),
                lambda: b"<html>502 Bad Gateway</html>",
                lambda: b"",
                lambda: data.replace(b'"ts":', b'"ts":"x",', 1) + b"}",
            )
        )()


def inject(frames: Iterable[Frame], faults: Faults) -> Iterator[Frame]:
    """The stream as it arrives through ``faults``."""
    for frame in frames:
        yield from faults.feed(frame)
    yield from faults.flush()
