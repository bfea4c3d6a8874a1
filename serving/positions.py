"""What is held now: by each strategy, and by the account, as the log tells it."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from operators.trading.holding import Holding
from schemas.account import BalanceEvent, PositionEvent
from serving.asked import Asset, StrategyName
from serving.features import Seen
from serving.times import iso
from serving.trading_view import ShardAccount, TradingView


class HoldingOut(BaseModel):
    """What a strategy holds, from the executions of its own signals. ``realized_pnl`` is before ``fees``."""

    strategy_id: str = Field(examples=["momentum"])
    asset: str = Field(examples=["BTCUSDT"])
    size: Annotated[float, Field(description="Base currency; negative: short.", examples=[0.005])]
    entry_price: float | None = Field(examples=[64210.5])
    opened_at: str | None = Field(examples=["2025-03-04T09:15:04Z"])
    realized_pnl: float = Field(examples=[12.5])
    fees: float = Field(examples=[0.35])


class PositionOut(BaseModel):
    """What the account reports of a symbol."""

    asset: str = Field(examples=["BTCUSDT"])
    size: float = Field(examples=[0.005])
    entry_price: float | None = Field(examples=[64210.5])
    unrealized_pnl: float | None = Field(examples=[1.25])
    realized_pnl: float | None = Field(examples=[12.5])
    timestamp: str = Field(examples=["2025-03-04T09:15:04Z"])
    source: str = Field(examples=["paper"])


class BalanceOut(BaseModel):
    """What the account holds of a coin; on paper each ``asset`` trades an account of its own."""

    coin: str = Field(examples=["USDT"])
    asset: str | None = Field(examples=["BTCUSDT"])
    available: float = Field(examples=[9650.0])
    wallet: float = Field(examples=[10000.0])
    timestamp: str = Field(examples=["2025-03-04T09:15:04Z"])
    source: str = Field(examples=["paper"])


class Positions(BaseModel):
    """Flat positions are left out. ``complete``: every execution since the log began is in the holdings."""

    account: Literal["paper", "live"] | None
    holdings: list[HoldingOut]
    positions: list[PositionOut]
    balances: list[BalanceOut]
    complete: bool = Field(examples=[True])


router = APIRouter(prefix="/api/v1/positions", tags=["trading"])


@router.get("")
async def positions(view: Seen, strategy_id: StrategyName = None, asset: Asset = None) -> Positions:
    """The newest holdings, positions and balances from the log itself, also while the database is away."""
    trading, name = view.trading, asset.upper() if asset else None
    shards = [known for _, known in sorted(trading.shards.copy().items())]
    return Positions(
        account=trading.account.kind if trading.account else None,
        holdings=_holdings(shards, strategy_id, name),
        positions=_positions(trading, shards, name),
        balances=_balances(trading, shards, name),
        complete=all(known.complete for known in shards),
    )


def _holdings(shards: list[ShardAccount], strategy: str | None, asset: str | None) -> list[HoldingOut]:
    found = {
        key: holding
        for known in shards
        for key, holding in known.holdings.copy().items()
        if key[0] and strategy in (None, key[0]) and asset in (None, key[1])
    }
    return [_holding(*key, holding) for key, holding in sorted(found.items(), key=lambda item: item[0])]


def _holding(strategy: str, asset: str, holding: Holding) -> HoldingOut:
    held = holding.size != 0
    return HoldingOut(
        strategy_id=strategy,
        asset=asset,
        size=holding.size,
        entry_price=holding.entry if held else None,
        opened_at=iso(holding.opened) if held else None,
        realized_pnl=holding.realized,
        fees=holding.fees,
    )


def _positions(trading: TradingView, shards: list[ShardAccount], asset: str | None) -> list[PositionOut]:
    found = [event for known in shards for event in known.positions.copy().values() if _counts(trading, event)]
    return [
        PositionOut(
            asset=event.symbol,
            size=event.size,
            entry_price=event.entry,
            unrealized_pnl=event.unrealized_pnl,
            realized_pnl=event.realized_pnl,
            timestamp=iso(event.ts),
            source=event.source,
        )
        for event in sorted(found, key=lambda event: event.symbol)
        if event.size and asset in (None, event.symbol)
    ]


def _balances(trading: TradingView, shards: list[ShardAccount], asset: str | None) -> list[BalanceOut]:
    """A balance of the whole account stands in every shard: the newest counts."""
    newest: dict[tuple[str, str], BalanceEvent] = {}
    for known in shards:
        for key, event in known.balances.copy().items():
            if _counts(trading, event) and (key not in newest or newest[key].ts < event.ts):
                newest[key] = event
    return [
        BalanceOut(
            coin=event.coin,
            asset=event.symbol,
            available=event.available,
            wallet=event.wallet,
            timestamp=iso(event.ts),
            source=event.source,
        )
        for _, event in sorted(newest.items())
        if asset is None or event.symbol in (None, asset)
    ]


def _counts(trading: TradingView, event: PositionEvent | BalanceEvent) -> bool:
    """On a paper account what the bridge told counts no more, and the other way round."""
    return trading.account is None or (event.origin is not None) is trading.paper
