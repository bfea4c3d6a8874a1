"""Dead letters: what could not be read, kept with the reason."""

import msgspec

from schemas.origin import Origin


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
