"""Feature registries of a range of the log: what is in force where an engine begins, and how far back it must look."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from connectors.activations import Placed, standing
from connectors.log import Log
from operators.features.featureset import FeatureSet
from operators.registry import Registry, parse_registry
from operators.versions import compiled
from schemas.codec import encode
from schemas.registry import RegistryActivated


class Registries(NamedTuple):
    """The activations of a shard up to some offset, and ``first``, in force before the first of them."""

    first: FeatureSet
    placed: Sequence[Placed]

    def before(self, offset: int, time: int) -> tuple[bytes, ...]:
        """What an engine must be told that begins with the event at ``offset``, of ``time`` (microseconds UTC).

        These are the activations before it that are in force there or come into force later, oldest first, encoded.
        """
        found: list[RegistryActivated] = []
        for _, event in reversed([place for place in self.placed if place.offset < offset]):
            if found and event.at >= found[-1].at:
                continue  # the later one took its place before it came into force
            if _usable(event) is None:
                continue
            found.append(event)
            if event.at <= time:
                break
        return tuple(encode(event) for event in reversed(found))

    def counting(self, offset: int, time: int) -> list[FeatureSet]:
        """Those that compute vectors from the event at ``offset``, of ``time``, on."""
        found: list[FeatureSet] = []
        for at, event in reversed(self.placed):
            features = _usable(event)
            if features is not None:
                found.append(features)
                if at < offset and event.at <= time:
                    return found
        return [*found, self.first]

    def versions(self, offset: int, time: int) -> tuple[str, ...]:
        """The names of those, oldest first, each once."""
        return tuple(dict.fromkeys(features.version for features in reversed(self.counting(offset, time))))

    def lookback(self, of: Callable[[FeatureSet], int], offset: int, time: int) -> int:
        """The longest look-back (microseconds) of those; ``of`` says that of one."""
        return max(of(features) for features in self.counting(offset, time))


def registries_of(log: Log, shard: int, first: FeatureSet, stop: int, prefix: str = "") -> Registries:
    """The registries that were activated before offset ``stop`` of a shard; ``prefix`` is that of the flow's topics."""
    return Registries(first, standing(log, shard, stop, prefix))


def registry_at(log: Log, first: Registry, time: int) -> Registry:
    """The registry in force at ``time`` (microseconds UTC); ``first`` before the first activation."""
    for _, event in reversed(standing(log, 0, log.end("events", 0))):
        if event.at <= time and _usable(event) is not None:
            return parse_registry(event.config, where=event.version)
    return first


def registry_named(log: Log, first: Registry, version: str) -> Registry | None:
    """The newest registry of that version that was in force on a log; None where there was none."""
    for _, event in reversed(standing(log, 0, log.end("events", 0))):
        if event.version == version and _usable(event) is not None:
            return parse_registry(event.config, where=version)
    return first if first.version == version else None


def _usable(event: RegistryActivated) -> FeatureSet | None:
    """Its features; None where the engine refuses it."""
    try:
        return compiled(event)
    except ValueError:
        return None
