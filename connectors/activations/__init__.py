"""Feature registries on the log: which activations stand on a shard, and how one is written to all of them."""

from connectors.activations.activate import Superseded, activate, complete
from connectors.activations.standing import Placed, newest, standing

__all__ = ["Placed", "Superseded", "activate", "complete", "newest", "standing"]
