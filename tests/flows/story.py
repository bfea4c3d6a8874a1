"""A log that a test fills step by step with the events of one session."""

from connectors.log import NewRecord
from dataflows import features as recipe
from dataflows.digest import records
from operators.features.featureset import FeatureSet
from operators.registry import Registry
from tests.flows.exact import origins
from tests.installation import Installation

Events = dict[int, list[NewRecord]]
"""shard -> its events"""
Published = dict[tuple[str, int], list[tuple[bytes | None, bytes | None, bytes]]]
"""(topic, shard) -> [(key, value, origin)]"""


def events_of(installation: Installation, *options: str) -> Events:
    """Two minutes of the demo exchange."""
    installation.run("collect", "--source", "demo", "--seconds", "120", "--speed", "max", *options)
    log = installation.log()
    found = {
        shard: [NewRecord(r.key, r.value, r.timestamp, r.headers) for r in records(log, "events", shard)]
        for shard in range(installation.shards)
    }
    log.close()
    return found


class Story:
    """The log of ``installation`` and how much of the events stands on it."""

    def __init__(self, installation: Installation, events: Events) -> None:
        self.installation = installation
        self.events = events
        self.log = installation.log()
        self.log.create("events", installation.shards)

    def tell(self, share: float) -> None:
        """Append the events up to a share of all."""
        for shard, events in self.events.items():
            self.log.append("events", shard, events[self.log.end("events", shard) : int(len(events) * share)])

    def run(self, *options: str, code: int = 0) -> str:
        """The flow, to the end of the log; returns what it printed."""
        return self.installation.run("run", "--until-end", *options, code=code)

    def published(self) -> Published:
        """What stands on the flow's topics."""
        return {
            (topic, shard): [(r.key, r.value, dict(r.headers)["origin"]) for r in records(self.log, topic, shard)]
            for topic in recipe.WRITES
            for shard in self.events
        }

    def with_the_rest(self, published: Published, registry: Registry) -> Published:
        """``published``, and behind it what a bare engine that knows only what is on the log now has beyond it."""
        result = {}
        for shard in self.events:
            engine = recipe.engine(FeatureSet.compile(registry), shard)
            outputs = engine.feed((record.offset, record.value) for record in records(self.log, "events", shard))
            for topic in recipe.WRITES:
                found = published[topic, shard]
                last = max(origins(self.log, topic, shard)[: len(found)], default=None)
                result[topic, shard] = found + [
                    (o.key.encode(), o.value, o.origin.header())
                    for o in outputs
                    if o.topic == topic and (last is None or o.origin > last)
                ]
        return result
