"""Feature registries in force: the activation, as an event on the log, and what each shard made of it."""

from hashlib import sha256
from typing import Any

import msgspec

from schemas.bounds import Text, Time
from schemas.market import Event
from schemas.origin import Origin


class RegistryActivated(Event, frozen=True, gc=False, omit_defaults=True, tag="registry.activated"):
    """The feature registry whose vectors begin with the second ``at`` (microseconds UTC, a whole second).

    Written to every shard, early enough that each has read it when its clock comes to ``at``: vectors of earlier
    seconds carry the version before, all from ``at`` on this one. A shard that reads it later begins with its next
    second, and says so. ``config`` is the whole registry, so that a replay needs nothing beside the log, and ``sha256``
    the hash of its canonical JSON. ``previous`` is the version it replaces, ``rollback`` says that it is a return to an
    earlier one. ``decision`` names what was decided, alike in every shard: what stands in some of them only can be
    completed, and nothing is written twice.
    """

    recv: Time
    at: Time
    version: Text
    config: dict[str, Any]
    sha256: Text
    previous: Text = ""
    rollback: bool = False
    reason: Text = ""
    by: Text = ""
    decision: Text = ""


def fingerprint(config: dict[str, Any]) -> str:
    """The SHA-256 of a registry's canonical JSON: keys sorted, no spaces. It does not depend on the file's layout.

    >>> fingerprint({"version": "1", "features": []}) == fingerprint({"features": [], "version": "1"})
    True
    """
    return sha256(msgspec.json.encode(config, order="sorted")).hexdigest()


class RegistryChange(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="registry.change"
):
    """What a shard made of an activation, read at ``ts`` on its clock: vectors carry ``version`` from ``at`` on.

    ``late`` is true where the declared second had passed. ``usable`` False: the registry is refused for ``problem``,
    and ``before`` stays in force. ``config`` is that of the activation: a rebuild in the middle of the log finds here
    what is in force.
    """

    version: str
    ts: int
    at: int
    before: str
    origin: Origin
    config: dict[str, Any]
    sha256: str
    late: bool = False
    usable: bool = True
    problem: str = ""
    rollback: bool = False
    reason: str = ""
    by: str = ""
    decision: str = ""
