"""How many vectors carry which version, within the last 24 hours of the log."""

from threading import Lock

import msgspec

from connectors.log import Log
from connectors.log.span import last_record, raw_span
from operators.spans import DAY, MINUTE
from schemas.codec import UNREADABLE
from schemas.topics import FEATURES


class Carried(msgspec.Struct):
    """What counts of a vector; the rest is passed over without being read."""

    ts: int
    feature_registry_version: str


DECODE = msgspec.json.Decoder(Carried).decode


class Computations:
    """Counts vectors by minute and version; each is read once, however often somebody asks. Safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._places: dict[int, int] = {}
        self._minutes: dict[int, dict[str, int]] = {}

    def count(self, log: Log) -> dict[str, int]:
        """Vectors by version; the newest of a shard says what the last 24 hours are.

        Raises:
            LogError: when the log cannot be read.
        """
        shards = next((info.shards for info in log.topics() if info.name == FEATURES.name), 0)
        with self._lock:
            newest = [last_record(log, FEATURES.name, shard) for shard in range(shards)]
            since = max((record.timestamp for record in newest if record), default=0) - DAY
            if any(place > log.end(FEATURES.name, shard) for shard, place in self._places.items()):  # another log
                self._places.clear()
                self._minutes.clear()
            for shard in range(shards):
                self._read(log, shard, since)
            self._minutes = {minute: found for minute, found in self._minutes.items() if minute > since - MINUTE}
            total: dict[str, int] = {}
            for found in self._minutes.values():
                for version, vectors in found.items():
                    total[version] = total.get(version, 0) + vectors
            return total

    def _read(self, log: Log, shard: int, since: int) -> None:
        begin = log.offset_at(FEATURES.name, shard, max(since, 0))
        end = log.end(FEATURES.name, shard)
        begin = max(begin, self._places.get(shard, 0))
        for batch in raw_span(log, FEATURES.name, shard, begin, end, 5_000):
            for _, value in batch:
                try:
                    vector = DECODE(value or b"")
                except UNREADABLE:
                    continue
                if vector.ts > since:
                    minute = self._minutes.setdefault(vector.ts // MINUTE * MINUTE, {})
                    version = vector.feature_registry_version
                    minute[version] = minute.get(version, 0) + 1
        self._places[shard] = max(end, self._places.get(shard, 0))
