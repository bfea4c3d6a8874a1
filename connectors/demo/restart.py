"""A service restart of Bybit, made from any stream of its frames: a snapshot with ``u`` = 1, counted on from there."""

import msgspec

from connectors.frames import Frame

_Levels = list[tuple[str, str]]


class _Book(msgspec.Struct):
    s: str
    b: _Levels
    a: _Levels
    u: int
    seq: int


class _BookFrame(msgspec.Struct):
    topic: str
    type: str
    ts: int
    data: _Book
    cts: int = 0


_read = msgspec.json.Decoder(_BookFrame).decode
_write = msgspec.json.Encoder().encode


class Restarts:
    """Keeps a copy of every book, so that it can say what a restarted service would say.

    Frames that are no readable book messages pass unchanged.
    """

    def __init__(self) -> None:
        self.books: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self.shift: dict[str, int] = {}
        """By how much the update ids of a topic are lower than the original ones."""

    def can_restart(self, frame: Frame) -> bool:
        """Whether the frame is a delta of a book that is known."""
        message = _book_message(frame)
        return message is not None and message.type == "delta" and message.topic in self.books

    def feed(self, frame: Frame, restart: bool) -> Frame:
        """The frame as the service sends it; with ``restart`` the whole book with ``u`` = 1 in its place."""
        message = _book_message(frame)
        if message is None:
            return frame
        self._apply(message)
        if restart:
            self.shift[message.topic] = message.data.u - 1
            message = self._snapshot(message)
        shift = self.shift.get(message.topic, 0)
        if not shift:
            return frame
        message.data.u -= shift
        return frame._replace(data=_write(message))

    def _apply(self, message: _BookFrame) -> None:
        if message.type == "snapshot":
            self.books[message.topic] = (dict(message.data.b), dict(message.data.a))
            return
        for book, levels in zip(self.books.get(message.topic, ()), (message.data.b, message.data.a), strict=False):
            for price, size in levels:
                if float(size):
                    book[price] = size
                else:
                    book.pop(price, None)

    def _snapshot(self, delta: _BookFrame) -> _BookFrame:
        bids, asks = self.books[delta.topic]
        best_first = sorted(bids.items(), key=lambda level: -float(level[0]))
        asks_sorted = sorted(asks.items(), key=lambda level: float(level[0]))
        data = _Book(delta.data.s, best_first, asks_sorted, delta.data.u, delta.data.seq)
        return _BookFrame(delta.topic, "snapshot", delta.ts, data, delta.cts)


def _book_message(frame: Frame) -> _BookFrame | None:
    """The frame as a book message, or nothing."""
    if b'"orderbook.' not in frame.data[:64]:
        return None
    try:
        return _read(frame.data)
    except msgspec.DecodeError:
        return None
