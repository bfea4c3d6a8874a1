"""The messages of Bybit v5's public WebSocket, as far as we read them."""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.json import Decoder

from connectors.quantities import AnyMillis, Levels, Millis, Price, Quote, Size, TradeSize, UpdateId
from schemas.bounds import Rate

NOTHING = Raw()


class Message(Struct, gc=False):
    """The outside of every message: a topic's ``data``, or a reply to something that we sent.

    ``ts`` is when the exchange made the message, in milliseconds.
    """

    topic: str = ""
    type: str = ""
    ts: int = 0
    data: Raw = NOTHING
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""


class Book(Struct, gc=False):
    """``orderbook.*``: a snapshot or the levels that changed. ``u`` rises by one a message."""

    s: str
    u: UpdateId
    b: Levels
    a: Levels


class PublicTrade(Struct, gc=False):
    """One element of ``publicTrade``: ``T`` time in milliseconds, ``S`` the taker's side, ``v`` size, ``p`` price,
    ``i`` id, ``BT`` block trade."""

    T: Millis
    s: str
    S: Literal["Buy", "Sell"]
    v: TradeSize
    p: Price
    i: str
    BT: bool = False


class Candle(Struct, gc=False):
    """One element of ``kline.*``; ``start`` in milliseconds, ``confirm`` true once, when it is closed."""

    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Size
    turnover: Size = 0.0
    confirm: bool = False


class Ticker(Struct, gc=False):
    """``tickers``: a field that is not there has not changed, one that is empty is not known."""

    symbol: str
    last: Quote | UnsetType = field(default=UNSET, name="lastPrice")
    mark: Quote | UnsetType = field(default=UNSET, name="markPrice")
    index: Quote | UnsetType = field(default=UNSET, name="indexPrice")
    bid: Quote | UnsetType = field(default=UNSET, name="bid1Price")
    ask: Quote | UnsetType = field(default=UNSET, name="ask1Price")
    bid_size: Quote | UnsetType = field(default=UNSET, name="bid1Size")
    ask_size: Quote | UnsetType = field(default=UNSET, name="ask1Size")
    volume_24h: Quote | UnsetType = field(default=UNSET, name="volume24h")
    turnover_24h: Quote | UnsetType = field(default=UNSET, name="turnover24h")
    open_interest: Quote | UnsetType = field(default=UNSET, name="openInterest")
    funding_rate: Rate | Literal[""] | UnsetType = field(default=UNSET, name="fundingRate")
    next_funding: AnyMillis | UnsetType = field(default=UNSET, name="nextFundingTime")


read_message = Decoder(Message, strict=False).decode
read_book = Decoder(Book, strict=False).decode
read_trades = Decoder(list[PublicTrade], strict=False).decode
read_trade = Decoder(PublicTrade, strict=False).decode
read_candles = Decoder(list[Candle], strict=False).decode
read_candle = Decoder(Candle, strict=False).decode
read_ticker = Decoder(Ticker, strict=False).decode
read_parts = Decoder(list[Raw]).decode
