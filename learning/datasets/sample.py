"""A few rows of many, without seeing them all at once."""

from heapq import heappush, heapreplace
from zlib import crc32

from learning.datasets.row import Row


class Sample:
    """The rows with the smallest checksums of all that were added: the same for the same rows, from anywhere.

    >>> from array import array
    >>> row = Row(1, "X", array("d"), 0.0, 0.0, 0, 0, 0)
    >>> sample = Sample(2)
    >>> for ts in range(100):
    ...     sample.add(row._replace(ts=ts))
    >>> len(sample.rows())
    2
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: list[tuple[int, int, str, Row]] = []

    def add(self, row: Row) -> None:
        """One more row of the dataset."""
        entry = (-crc32(f"{row.symbol}/{row.ts}".encode()), row.ts, row.symbol, row)
        if len(self._kept) < self.size:
            heappush(self._kept, entry)
        elif entry > self._kept[0]:
            heapreplace(self._kept, entry)

    def rows(self) -> list[Row]:
        """By shard, in the order of the log."""
        return sorted((row for *_, row in self._kept), key=lambda row: (row.shard, row.seen, row.symbol))
