"""Checkpoints: the state of stages that remember without bound, so that a rebuild need not begin at the beginning."""

import msgspec

from schemas.origin import Origin


class Checkpoint(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="checkpoint"):
    """The state after the event of ``origin`` and everything it caused. ``source`` is ``events/<shard>``.

    ``layout`` names stages and the form of their state; ``state`` is MessagePack; ``digest`` is BLAKE2b of it, so that
    a replay which passes a checkpoint proves itself, and a damaged one is noticed.
    """

    source: str
    ts: int
    layout: str
    digest: str
    state: bytes
    origin: Origin
