"""Where a record came from: its place in the log, from which its identity follows."""

import uuid
from typing import NamedTuple

HEADER = "origin"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "lockstep:origin")


class Origin(NamedTuple):
    """The event that caused a record, and the record's place among that event's outputs.

    >>> Origin(2, 1041, 3).header()
    b'2/1041/3'
    >>> Origin.parse(b'2/1041/3') > Origin(2, 1041, 2)
    True
    """

    shard: int
    offset: int
    index: int  # type: ignore[assignment]  # the field wins over tuple.index, which nobody needs here

    def header(self) -> bytes:
        """The value of the ``origin`` header of every derived record."""
        return b"%d/%d/%d" % self

    @classmethod
    def parse(cls, header: bytes) -> "Origin":
        """Read the header back.

        Raises:
            ValueError: when the header is not three whole numbers.
        """
        shard, offset, index = header.split(b"/")
        return cls(int(shard), int(offset), int(index))

    def uuid(self, kind: str) -> uuid.UUID:
        """The UUIDv5 of the ``kind`` (such as ``trace``) of record that this event caused: the same in every replay.

        >>> str(Origin(0, 1, 0).uuid("trace"))
        'aef586f7-7968-52d1-8a81-9229510a8886'
        """
        return uuid.uuid5(NAMESPACE, f"{kind}/{self.shard}/{self.offset}/{self.index}")
