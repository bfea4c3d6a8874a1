"""Commands: what one part asks of another through the ``commands`` topic."""

import msgspec

from schemas.origin import Origin


class Command(msgspec.Struct, frozen=True, gc=False, tag_field="type", omit_defaults=True):
    """A request, keyed by its target."""


class Resync(Command, frozen=True, gc=False, omit_defaults=True, tag="resync"):
    """Ask the collector for a fresh book snapshot of ``symbol``."""

    symbol: str
    ts: int
    reason: str
    origin: Origin | None = None


AnyCommand = Resync
