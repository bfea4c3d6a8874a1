"""Which channels a collector subscribes to: what the feature registries in force read, and what a flow needs beside."""

from collections.abc import Mapping
from types import MappingProxyType

from connectors.activations import standing
from connectors.activations.standing import searched
from connectors.log import Log
from operators.features.featureset import FeatureSet
from operators.versions import Versions
from schemas.market import Channel
from schemas.topics import EVENTS

CHANNEL: Mapping[str, Channel] = MappingProxyType(
    {"orderbook": "orderbook", "trades": "trades", "kline": "kline", "ticker": "ticker", "funding": "ticker"}
)
"""The channel that carries a source; the ticker brings the funding."""
TRADING: frozenset[Channel] = frozenset({"orderbook", "trades", "ticker"})
"""What decisions, exits and the paper exchange read beside the features: prices, what trades, and funding."""


class Subscriptions:
    """Follows the activations on the log. A registry that is to come counts from when its activation is read, so that
    its data are there at its boundary; what it replaces counts until then.

    Args:
        log: with the topic ``events``.
        first: in force before the first activation.
        always: wanted in any case.
    """

    def __init__(self, log: Log, first: FeatureSet, always: frozenset[Channel] = frozenset()) -> None:
        self.log = log
        self.always = always
        self.versions = Versions(first)
        self.position: int | None = None

    def wanted(self, clock: int) -> frozenset[Channel]:
        """The channels that are wanted at ``clock`` (microseconds UTC, 0: not known yet); reads what is new on the log.

        Every shard holds all activations, so one of them is followed. What the engine refuses changes nothing here.

        Raises:
            LogUnavailable: when the log is away.
        """
        end = self.log.end(EVENTS.name, 0)
        begun = self.position
        for _, event in standing(self.log, 0, end) if begun is None else searched(self.log, 0, begun, end):
            self.versions.read(event, event.at)
        self.position = end
        self.versions.reach(clock, forget=True)
        features = [self.versions.features, *(known.features for known in self.versions.known)]
        return self.always | {CHANNEL[source] for each in features for source in each.sources}
