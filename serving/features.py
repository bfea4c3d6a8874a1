"""The newest feature vectors."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, Field

from schemas.vector import FeatureVector
from serving.errors import Error
from serving.times import iso, now
from serving.view import STALE_MS, View

Symbol = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,29}$", examples=["BTCUSDT"])]


class LatestVector(BaseModel):
    """The object of ``features.live``: a feature that is not available is absent. Then what only a reader needs.

    ``age_ms`` is counted from ``timestamp``, the end of the vector's second; a ``stale`` vector is older than 30 s; a
    ``tainted`` one must not reach a model.
    """

    timestamp: str = Field(examples=["2025-03-04T09:15:04Z"])
    symbol: str = Field(examples=["BTCUSDT"])
    features: dict[str, float] = Field(examples=[{"mid_price": 64210.5, "volatility_1m": 0.0004}])
    feature_registry_version: str = Field(examples=["1.2.0"])
    trace_id: str = Field(examples=["77f1f3a2-8d0e-5c92-b1ee-0f5f6a7b8c9d"])
    stale: bool = Field(examples=[False])
    age_ms: int = Field(examples=[420])
    tainted: bool = Field(examples=[False])


class Symbols(BaseModel):
    """Every symbol of which a vector was seen."""

    symbols: list[str] = Field(examples=[["BTCUSDT", "ETHUSDT"]])


def live(vector: FeatureVector) -> dict[str, object]:
    """A vector as the other services know it (queue ``features.live``)."""
    return {
        "timestamp": iso(vector.ts),
        "symbol": vector.symbol,
        "features": {name: value for name, value in vector.features.items() if value is not None},
        "feature_registry_version": vector.feature_registry_version,
        "trace_id": str(vector.origin.uuid("trace")),
    }


def view_of(request: Request) -> View:
    """The view of the application that answers."""
    view: View = request.app.state.view
    return view


Seen = Annotated[View, Depends(view_of)]
router = APIRouter(prefix="/features", tags=["features"])


@router.get("/latest", responses={404: {"model": Error}, 503: {"model": Error}})
async def latest(symbol: Symbol, view: Seen) -> LatestVector:
    """The newest vector of one symbol."""
    if vector := view.vectors.get(symbol.upper()):
        age_ms = max(0, now() - vector.ts) // 1000
        extra = {"stale": age_ms > STALE_MS, "age_ms": age_ms, "tainted": vector.tainted}
        return LatestVector.model_validate(live(vector) | extra)
    if not view.ready and not view.vectors:
        raise HTTPException(503, f"no vectors yet: {view.log_error or 'the log is still being read, or has none'}")
    raise HTTPException(404, f"no features for {symbol}; symbols seen: {', '.join(view.symbols) or 'none'}")


@router.get("/symbols")
async def symbols(view: Seen) -> Symbols:
    """The symbols that ``/features/latest`` knows."""
    return Symbols(symbols=view.symbols)
