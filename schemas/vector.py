"""The feature vector: what Lockstep knows of one symbol at the end of one second."""

from typing import Literal

import msgspec

from schemas.origin import Origin

Interval = Literal["1s", "3s", "15s", "1m"]


class FeatureVector(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="features"):
    """Every feature of the registry at the whole second ``ts`` (microseconds UTC), from all received up to it.

    ``recv`` is the receive time of the event that ended the second; ``closes`` says which intervals end at ``ts``.
    A feature whose look-back is not covered, or whose input is unsound, is ``null``. ``tainted`` vectors must not reach
    a model; ``taint`` says why (``book``, ``trades``, ``kline``, ``ticker``).
    """

    symbol: str
    ts: int
    recv: int
    closes: list[Interval]
    features: dict[str, float | None]
    feature_registry_version: str
    tainted: bool
    taint: list[str]
    origin: Origin
