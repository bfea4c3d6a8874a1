"""Reads one shard of a history forward."""

from typing import Any, Literal

from connectors.history.filled import Filled
from connectors.history.seams import Seams
from connectors.log import Log, Reader, Record
from schemas.topics import EVENTS

Verb = Literal["poll", "poll_raw"]


class HistoryReader:
    """A reader of the live log that gives the fetched rows at their seams, and passes filled gaps over."""

    def __init__(self, log: Log, shard: int, seams: Seams, filled: Filled, offset: int) -> None:
        self.log = log
        self.shard = shard
        self.seams = seams
        self.filled = filled
        self.position = offset
        self._live: Reader | None = None

    def poll(self, limit: int) -> list[Record]:
        """As ``connectors.log.Reader``."""
        return self._poll(limit, "poll")

    def poll_raw(self, limit: int) -> list[tuple[int, bytes | None]]:
        """As ``connectors.log.Reader``."""
        return self._poll(limit, "poll_raw")

    def wait(self, timeout: float) -> bool:
        """As ``connectors.log.Reader``."""
        place = self.seams.place(self.position)
        return place.live < 0 or self._reader(place.live).wait(timeout)

    def close(self) -> None:
        """As ``connectors.log.Reader``."""
        if self._live is not None:
            self._live.close()
            self._live = None

    def _poll(self, limit: int, verb: Verb) -> list[Any]:
        while limit > 0:
            place = self.seams.place(self.position)
            if place.live < 0:
                return self._rows(place.seam, place.row, limit, verb)
            shift = self.position - place.live
            batch, reached = self._heard(place.live, self.seams.stop(place.seam), limit, verb)
            self.position = reached + shift
            if found := self._kept(batch, shift, verb):
                return found
            if not batch and reached != self.seams.stop(place.seam):
                return []
        return []

    def _rows(self, number: int, row: int, limit: int, verb: Verb) -> list[Any]:
        first = self.position
        rows = self.seams.seams[number].rows[row : row + limit]
        self.position += len(rows)
        if verb == "poll_raw":
            return [(first + place, row.value) for place, row in enumerate(rows)]
        return [
            Record(first + place, row.symbol.encode() or None, row.value, row.recv // 1_000 * 1_000, ())
            for place, row in enumerate(rows)
        ]

    def _heard(self, live: int, stop: int | None, limit: int, verb: Verb) -> tuple[list[Any], int]:
        """What the live log has from an offset on and before the next seam, and how far it was read."""
        reader = self._reader(live)
        asked = limit if stop is None else min(limit, stop - live)
        batch: list[Any] = reader.poll(asked) if verb == "poll" else list(reader.poll_raw(asked))
        reached = reader.position
        if stop is None or reached <= stop:
            return batch, reached
        return [message for message in batch if message[0] < stop], stop

    def _kept(self, batch: list[Any], shift: int, verb: Verb) -> list[Any]:
        passes_over = self.filled.passes_over
        if verb == "poll_raw":
            return [(offset + shift, value) for offset, value in batch if not passes_over(value)]
        return [record._replace(offset=record.offset + shift) for record in batch if not passes_over(record.value)]

    def _reader(self, live: int) -> Reader:
        """A reader of the live log that gives ``live`` next."""
        if self._live is None or self._live.position != live:
            self.close()
            self._live = self.log.reader(EVENTS.name, self.shard, live)
        return self._live
