"""Signals and vectors as a flow would put them on the log."""

from schemas.codec import encode
from schemas.origin import Origin
from schemas.signal import MarketSnapshot, TradingSignal
from schemas.vector import FeatureVector

TIME = 1_741_079_704_250_000
SNAPSHOT = MarketSnapshot(142.2, 0.005, 0.0035, 918.4, 0.00041, 512.0, 498.5, {"returns_1m": 0.001, "volume_3s": None})


def signal(number: int = 1, symbol: str = "SOLUSDT", ts: int = TIME, **changes) -> TradingSignal:
    """The ``number``-th signal of a symbol."""
    origin = Origin(0, number, 0)
    fields: dict = dict(  # noqa: C408
        signal_id=str(Origin(hash_of(symbol), number, 0).uuid("signal")),
        strategy="swing_a",
        symbol=symbol,
        ts=ts,
        side="buy",
        amount=355.5,
        confidence=0.82,
        kind="entry",
        is_warmup=False,
        feature_registry_version="1.0.0",
        snapshot=SNAPSHOT,
        reason="model_prediction",
        trace_id=str(origin.uuid("trace")),
        origin=origin,
        model_version="v1741000000",
    )
    return TradingSignal(**(fields | changes))


def hash_of(symbol: str) -> int:
    return int.from_bytes(symbol.encode(), "big") % 1_000_000


def vector(symbol: str = "SOLUSDT", ts: int = TIME, **changes) -> FeatureVector:
    """A vector with one feature that is not known."""
    features = {"mid_price": 142.1775, "spread_abs": 0.005, "returns_1m": None}
    fields: dict = dict(  # noqa: C408
        symbol=symbol,
        ts=ts,
        recv=ts,
        closes=["1s"],
        features=features,
        feature_registry_version="1.0.0",
        tainted=False,
        taint=[],
        origin=Origin(0, 7, 0),
    )
    return FeatureVector(**(fields | changes))


def encoded(record: object) -> bytes:
    return encode(record)
