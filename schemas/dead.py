"""Dead letters: what could not be read, kept with the reason."""

from typing import Any

import msgspec

from schemas.origin import Origin

RAW_LIMIT = 256 * 1024
"""Bytes of a refused message that are kept: the letter must fit on the log, whatever the message was."""
REASON_LIMIT = 300
"""Characters of a reason that are kept: reasons quote what a stranger wrote."""


class DeadLetter(msgspec.Struct, frozen=True, gc=False, tag_field="type", omit_defaults=True, tag="dead-letter"):
    """A message that was refused.

    ``source`` says where it was (``collect/bybit``, ``events``), ``reason`` what was wrong, ``raw`` is the message as
    it came (base64 in JSON). ``recv`` is the receive time in microseconds UTC where it is known. ``origin`` is set
    when a flow found the message on the log.
    """

    source: str
    reason: str
    raw: bytes
    recv: int | None = None
    symbol: str | None = None
    origin: Origin | None = None

    @classmethod
    def of(cls, source: str, reason: str, raw: bytes, **where: Any) -> "DeadLetter":
        """A letter that fits on the log; ``where`` are the other fields.

        >>> letter = DeadLetter.of("events", "no JSON", b"x" * 300_000)
        >>> len(letter.raw), letter.reason
        (262144, 'no JSON (the first 262144 of 300000 bytes are kept)')
        """
        reason = reason[:REASON_LIMIT]
        if len(raw) > RAW_LIMIT:
            reason = f"{reason} (the first {RAW_LIMIT} of {len(raw)} bytes are kept)"
        return cls(source, reason, raw[:RAW_LIMIT], **where)
