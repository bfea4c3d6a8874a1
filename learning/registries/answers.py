"""What the shards of a running flow make of an activation."""

import time

from connectors.log import Log
from connectors.log.span import span
from connectors.postgres.lease import writes
from learning.registries.where import Where
from schemas.codec import UNREADABLE, decode_registry_change
from schemas.registry import RegistryChange
from schemas.topics import FEATURES, REGISTRIES

PATIENCE = 5.0
"""Seconds to wait for them: a flow answers within moments, one that rebuilds later."""
LOOK = 0.05


def ends(log: Log, shards: int) -> list[int]:
    """Where the topic of answers ends now, by shard; empty where there is none."""
    if REGISTRIES.name not in {info.name for info in log.topics()}:
        return []
    return [log.end(REGISTRIES.name, shard) for shard in range(shards)]


class Answers:
    """Reads the answers that come after ``places``, which were taken before the question."""

    def __init__(self, log: Log, shards: int, places: list[int], patience: float = PATIENCE) -> None:
        self.log = log
        self.shards = shards
        self.places = places
        self.patience = patience

    def expected(self, where: Where) -> bool:
        """Whether a flow runs, for each shard."""
        names = where.prefix + FEATURES.name
        return bool(self.places) and all(writes(where.url, names, shard) for shard in range(self.shards))

    def refusal(self, decision: str) -> str:
        """Why a shard cannot use what was activated, as soon as one says so; empty: all can, or patience ended."""
        deadline = time.monotonic() + self.patience
        while True:
            found = self._found(decision)
            if problem := next((change.problem or "refused" for change in found.values() if not change.usable), ""):
                return problem
            if len(found) == self.shards or time.monotonic() > deadline:
                return ""
            time.sleep(LOOK)

    def complete(self, decision: str) -> bool:
        """Whether every shard has answered."""
        return len(self._found(decision)) == self.shards

    def _found(self, decision: str) -> dict[int, RegistryChange]:
        found: dict[int, RegistryChange] = {}
        for shard, place in enumerate(self.places):
            for record in span(self.log, REGISTRIES.name, shard, place, self.log.end(REGISTRIES.name, shard)):
                try:
                    change = decode_registry_change(record.value or b"")
                except UNREADABLE:
                    continue
                if change.decision == decision:
                    found[shard] = change
        return found
