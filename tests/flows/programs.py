"""Verbs that run in the background of a test; what they print is read as it comes, so that none of them ever waits."""

from collections.abc import Callable
from threading import Thread

from tests.installation import HANGS, Installation, kill, wait_until


class Program:
    """A running verb."""

    def __init__(self, installation: Installation, *arguments: str) -> None:
        self.verb = " ".join(arguments)
        self.process = installation.start(*arguments)
        self.lines: list[str] = []
        self.reading = Thread(target=self._read, daemon=True)
        self.reading.start()

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def runs(self) -> bool:
        return self.process.poll() is None

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; fail when the verb ends before."""
        wait_until(lambda: condition() or not self.runs(), f"{what}: {self.verb}")
        assert condition(), f"lockstep {self.verb} ended before {what}:\n{self.said}"

    def says(self, text: str) -> None:
        """Wait until it says ``text``."""
        self.until(lambda: text in self.said, f"it said {text!r}")

    def tell(self) -> None:
        """Ask it to end, as Ctrl-C does."""
        assert self.runs(), f"lockstep {self.verb} ended by itself:\n{self.said}"
        self.process.terminate()

    def end(self, code: int = 0) -> str:
        """Wait for its end; returns what it printed."""
        self.process.wait(HANGS)
        self.reading.join(HANGS)
        assert self.process.returncode == code, f"lockstep {self.verb}: {self.process.returncode}:\n{self.said}"
        return self.said

    def kill(self) -> None:
        """kill -9; harmless when it ended already."""
        if self.runs():
            kill(self.process)
        self.reading.join(HANGS)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(iter(output.readline, ""))
