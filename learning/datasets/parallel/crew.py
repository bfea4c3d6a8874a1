"""The workers of one build, seen from the process that puts it together."""

import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from connectors.log import LogError, LogUnavailable, OffsetBeyondEnd, OffsetTrimmed, UnknownTopic
from connectors.lookback import PastLost
from learning.datasets.errors import DatasetError
from learning.datasets.parallel.jobs import Told, told_decoder

TRIES = 3
"""How often a job is begun; what kills a worker once may be an accident, and thrice is want of memory."""
LOOK = 0.2
"""Seconds after which the build is asked whether it is wanted still, where no worker says anything."""
ERRORS: dict[str, type[Exception]] = {
    error.__name__: error
    for error in (LogUnavailable, LogError, OffsetBeyondEnd, OffsetTrimmed, UnknownTopic, PastLost, OSError)
}
"""Errors of a worker that are ours, too."""


class Hand:
    """One worker process and the job that it is at."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "learning.datasets.parallel.worker"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.job: int | None = None
        self.rest = b""
        self.read = 0
        """Messages of the job so far."""

    def give(self, job: int, line: bytes) -> None:
        """A job to do."""
        self.job, self.read = job, 0
        self.say(line + b"\n")

    def say(self, line: bytes) -> None:
        """A line for the worker; one that has died is noticed elsewhere."""
        assert self.process.stdin is not None
        try:
            view = memoryview(line)
            while view:
                view = view[self.process.stdin.write(view) or 0 :]
        except OSError:
            return

    def hear(self) -> list[Told] | None:
        """What it said; None when it has ended."""
        assert self.process.stdout is not None
        if not (read := os.read(self.process.stdout.fileno(), 1 << 16)):
            return None
        *lines, self.rest = (self.rest + read).split(b"\n")
        return [told_decoder.decode(line) for line in lines]

    def end(self) -> int:
        """End it, if it has not ended; its exit code."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait()


class Crew:
    """Does ``jobs`` (encoded ones) with ``count`` worker processes, the first ones first.

    A worker that dies is replaced, and its job begun anew.

    Args:
        jobs: what is to be done.
        count: how many workers.
        step: told about messages that were read; may wait, which holds the workers up, or raise.
    """

    def __init__(self, jobs: Sequence[bytes], count: int, step: Callable[[int], None]) -> None:
        self.jobs = jobs
        self.step = step
        self.waiting = deque(range(len(jobs)))
        self.tries = [0] * len(jobs)
        self.read = [0] * len(jobs)
        self.answers: dict[int, msgspec.Raw] = {}
        self.peaks: list[int] = [0] * min(count, len(jobs))
        """Bytes that the workers held at most."""
        self._selector = selectors.DefaultSelector()
        self._hands: dict[int, Hand] = {}
        for place in range(len(self.peaks)):
            self._hire(place)

    def answer(self, job: int, kind: Any) -> Any:
        """What came of a job, of type ``kind``; waits for it.

        Raises:
            DatasetError, LogError: when it cannot be done.
        """
        while job not in self.answers:
            self.attend(LOOK)
        return msgspec.json.decode(self.answers.pop(job), type=kind)

    def attend(self, seconds: float = 0.0) -> None:
        """Hear the workers, and give them something to do; waits for a word at most so long."""
        for key, _ in self._selector.select(seconds):
            self._attend(key.data)
        self.step(0)

    def close(self) -> None:
        """End them all."""
        self._selector.close()
        for hand in self._hands.values():
            hand.end()
        self._hands.clear()

    def _hire(self, place: int) -> None:
        hand = self._hands[place] = Hand()
        assert hand.process.stdout is not None
        self._selector.register(hand.process.stdout, selectors.EVENT_READ, place)
        self._next(hand)

    def _next(self, hand: Hand) -> None:
        if not self.waiting:
            hand.job = None
            return
        job = self.waiting.popleft()
        self.tries[job] += 1
        hand.give(job, self.jobs[job])

    def _attend(self, place: int) -> None:
        hand = self._hands[place]
        heard = hand.hear()
        if heard is None:
            self._died(place, hand)
            return
        for told in heard:
            if told.failed is not None:
                raise _error(*told.failed)
            self._count(hand, told.step)
            if told.answer and hand.job is not None:
                self.answers[hand.job] = msgspec.Raw(bytes(told.answer))
                self.peaks[place] = max(self.peaks[place], told.peak)
                self._next(hand)
            else:
                hand.say(b"\n")

    def _count(self, hand: Hand, messages: int) -> None:
        """What is read a second time, after a death, does not count."""
        if hand.job is None:
            return
        hand.read += messages
        if (fresh := hand.read - self.read[hand.job]) > 0:
            self.read[hand.job] = hand.read
            self.step(fresh)

    def _died(self, place: int, hand: Hand) -> None:
        assert hand.process.stdout is not None
        self._selector.unregister(hand.process.stdout)
        code, job = hand.end(), hand.job
        del self._hands[place]
        if job is None:
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if self.tries[job] >= TRIES:
            raise DatasetError(
                f"a worker was ended by {how} {TRIES} times at piece {job + 1} of {len(self.jobs)}: give the build"
                " fewer workers (--workers), or this machine more memory"
            )
        structlog.get_logger().warning("dataset.worker_died", how=how, piece=job + 1, pieces=len(self.jobs))
        self.waiting.appendleft(job)
        self._hire(place)


def _error(kind: str, message: str) -> Exception:
    known = ERRORS.get(kind)
    return known(message) if known is not None else DatasetError(f"a worker failed: {kind}: {message}")
