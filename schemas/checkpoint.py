"""Checkpoints: the state of stages that remember without bound, so that a rebuild need not begin at the beginning."""

import msgspec

from schemas.origin import Origin


class Checkpoint(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="checkpoint"):
    """The state after the event of ``origin`` and everything it caused. ``source`` is ``events/<shard>``.

    ``layout`` names stages and the form of their state; ``state`` is MessagePack; ``digest`` is BLAKE2b of it, so that
    a replay which passes a checkpoint proves itself, and a damaged one is noticed.

    A state that is larger than a record may be stands in several, one behind the other: ``part`` of ``parts``, each
    with the digest of the whole.
    """

    source: str
    ts: int
    layout: str
    digest: str
    state: bytes
    origin: Origin
    part: int = 0
    parts: int = 1
