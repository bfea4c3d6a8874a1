"""What the catalogue of an archive knows: files, places in the log, and what is missing."""

from typing import NamedTuple

from connectors.archive.layout import Place, file_name

HOLE = "the log has no such offsets"


class Entry(NamedTuple):
    """One file: the rows of one place and shard between two offsets, both included.

    ``oldest`` and ``newest`` are log timestamps (microseconds UTC); ``digest`` is of the file's bytes.
    """

    shard: int
    place: Place
    first: int
    last: int
    rows: int
    oldest: int
    newest: int
    bytes: int
    digest: str

    @property
    def path(self) -> str:
        """Relative to the root."""
        return f"{self.place.folder}/{file_name(self.shard, self.first, self.last)}"


class Stand(NamedTuple):
    """How far a shard is archived: everything before ``position``; ``last`` is (offset, CRC-32) of its last record."""

    start: int
    position: int
    last: tuple[int, int] | None = None


class Absent(NamedTuple):
    """Offsets [first, stop) of a shard that were never archived: the log skipped them (``HOLE``), or lost them."""

    shard: int
    first: int
    stop: int
    reason: str


class Gone(NamedTuple):
    """A file that expiry took: deleted (``root`` empty) or moved to another root, at a time in microseconds."""

    entry: Entry
    root: str
    at: int
