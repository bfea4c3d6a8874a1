"""Binance's market streams (spot, USDT futures, coin-margined futures), as far as we read them.

Prices and quantities are decimal strings, times milliseconds. Fields are named as Binance names them, one letter each;
the docstrings say what they mean.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.json import Decoder

from connectors.quantities import AnyMillis, Levels, Millis, Price, Quote, Size, UpdateId
from schemas.bounds import Rate

NOTHING = Raw()


class Wrapper(Struct, gc=False):
    """The outside of a combined stream; a bare frame has neither field."""

    stream: str = ""
    data: Raw = NOTHING


class Head(Struct, gc=False):
    """What tells the messages apart: the event type ``e``, or the one field that only a REST depth answer
    (``lastUpdateId``), spot's nameless book ticker (``B``) or a reply to something that we sent has."""

    e: str = ""
    last_update_id: int | UnsetType = field(default=UNSET, name="lastUpdateId")
    B: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET


class DepthUpdate(Struct, gc=False):
    """``depthUpdate``: levels changed by the updates ``U`` to ``u``; futures say in ``pu`` the ``u`` of the message
    before, at spot that is ``U`` - 1."""

    E: Millis
    s: str
    U: UpdateId
    u: UpdateId
    b: Levels
    a: Levels
    pu: UpdateId | None = None


class DepthSnapshot(Struct, gc=False):
    """The answer of REST ``depth``: the book after update ``lastUpdateId``. Only coin-margined futures name the symbol,
    and spot has no time."""

    last_update_id: UpdateId = field(name="lastUpdateId")
    bids: Levels
    asks: Levels
    E: Millis | None = None
    symbol: str = ""


class Execution(Struct, gc=False):
    """What ``trade`` and ``aggTrade`` share: ``T`` time, ``p`` price, ``q`` quantity, ``m`` the buyer was the maker,
    ``X`` why it happened (futures only: MARKET, INSURANCE_FUND, ADL, NA; only the first is sure to have a price)."""

    T: Millis
    s: str
    p: Size
    q: Size
    m: bool
    X: str = "MARKET"


class TradeUpdate(Execution, gc=False, kw_only=True):
    """``trade``: one execution, id ``t``."""

    t: int


class AggregateTrade(Execution, gc=False, kw_only=True):
    """``aggTrade``: what one taker order filled at one price, id ``a``."""

    a: int


class MarkPrice(Struct, gc=False):
    """``markPriceUpdate``: mark price ``p``, index ``i``, funding rate ``r`` due at ``T``; delivery contracts have no
    rate."""

    E: Millis
    s: str
    p: Price
    i: Quote = ""
    r: Rate | Literal[""] = ""
    T: AnyMillis = 0


class Candle(Struct, gc=False):
    """The inside of ``kline``: start ``t``, interval ``i``, ohlc, volume ``v``, turnover ``q``, closed ``x``."""

    t: Millis
    i: str
    o: Price
    h: Price
    l: Price  # noqa: E741
    c: Price
    v: Size
    q: Size
    x: bool


class KlineUpdate(Struct, gc=False):
    """``kline``."""

    E: Millis
    s: str
    k: Candle


read_wrapper = Decoder(Wrapper, strict=False).decode
read_head = Decoder(Head, strict=False).decode
read_depth = Decoder(DepthUpdate, strict=False).decode
read_snapshot = Decoder(DepthSnapshot, strict=False).decode
read_trade = Decoder(TradeUpdate, strict=False).decode
read_aggregate = Decoder(AggregateTrade, strict=False).decode
read_mark_price = Decoder(MarkPrice, strict=False).decode
read_kline = Decoder(KlineUpdate, strict=False).decode
