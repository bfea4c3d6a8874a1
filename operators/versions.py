"""Feature registries by the second: which one computes a vector, and which ones are to come."""

from typing import Any, NamedTuple

from operators.features.featureset import FeatureSet
from operators.registry import RegistryError, parse_registry
from operators.spans import HOUR, SECOND
from schemas.codec import decode_event, encode
from schemas.registry import RegistryActivated, fingerprint

FURTHEST = 36 * HOUR
"""No feature of any registry looks back further than that (a test holds it): what is remembered for a registry that is
not in force yet."""
LONGEST = 2_000
"""Characters of a problem that a record holds; a registry that is wrong all over has hundreds."""


class RegistryInForce(NamedTuple):
    """Told to the stages behind the market: vectors carry another version from here on. It is never written."""

    version: str


class Known(NamedTuple):
    """A registry whose vectors begin with second ``at`` (microseconds UTC); ``event`` is its activation, encoded."""

    at: int
    features: FeatureSet
    event: bytes


class Versions:
    """What is in force, and what is to come, by rising boundaries.

    The vectors of a second are computed by the newest activation whose boundary it has reached: one that is read takes
    the place of all whose boundary does not lie before its own. Until the first one it is ``first``.
    """

    def __init__(self, first: FeatureSet) -> None:
        self.first = first
        self.features = first
        """Of the second that was reached last."""
        self.known: list[Known] = []

    def read(self, activation: RegistryActivated, at: int) -> str:
        """Take in an activation that counts from ``at`` on; why it cannot (then nothing changes), or nothing."""
        try:
            features = compiled(activation)
        except ValueError as error:
            return str(error)[:LONGEST]
        self.known = [*(known for known in self.known if known.at < at), Known(at, features, encode(activation))]
        return ""

    def before(self, at: int) -> str:
        """The version of the second just before ``at``, by what is known."""
        return self._at(at - SECOND).version

    def reach(self, t: int, forget: bool) -> bool:
        """Come to second ``t``; true when it has another registry than the second before.

        ``forget`` what cannot be in force again, as time does not go back.
        """
        before, self.features = self.features, self._at(t)
        if forget:
            while len(self.known) > 1 and self.known[1].at <= t:
                del self.known[0]
        return self.features is not before

    def snapshot(self) -> Any:
        """The state as plain data."""
        return [(known.at, known.event) for known in self.known]

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``; ``reach`` says what is in force.

        Raises:
            ValueError: when this code cannot use a registry that was in force.
        """
        self.known = [Known(at, compiled(_decoded(event)), event) for at, event in state]

    def _at(self, t: int) -> FeatureSet:
        reached = [known.features for known in self.known if known.at <= t]
        return reached[-1] if reached else self.first


def compiled(activation: RegistryActivated) -> FeatureSet:
    """The features of an activation.

    Raises:
        ValueError: when its registry is not what it says it is, or is refused, naming every problem.
    """
    config, version = activation.config, activation.version
    if fingerprint(config) != activation.sha256:
        raise ValueError(f"the content of registry {version} does not have the hash that its activation names")
    try:
        registry = parse_registry(config, where=version)
    except RegistryError:
        raise
    except (TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        raise ValueError(f"registry {version} cannot be read: {type(error).__name__}: {error}") from error
    if registry.version != version:
        raise ValueError(f"the activation names registry {version}, its content says {registry.version}")
    return FeatureSet.compile(registry)


def _decoded(event: bytes) -> RegistryActivated:
    activation = decode_event(event)
    if not isinstance(activation, RegistryActivated):
        raise ValueError("the snapshot holds no activation where one should be: discard the recovery directory")
    return activation
