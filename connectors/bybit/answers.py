"""The answers of Bybit v5's REST interface, as far as we read them."""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field
from msgspec.json import Decoder

from connectors.bybit.messages import Ticker
from connectors.quantities import AnyMillis, Levels, Millis, Price, Size, TradeSize, UpdateId
from schemas.bounds import YEAR_2100, Rate

NOTHING = Raw(b"null")
Name = Annotated[str, Meta(max_length=64)]
CandleRow = tuple[Millis, Price, Price, Price, Price, Size, Size]
"""start (ms), open, high, low, close, volume, turnover"""


class Answer(Struct):
    """The outside of every answer; ``time`` is the exchange's, in milliseconds."""

    code: int = field(name="retCode")
    message: str = field(name="retMsg")
    time: Millis = field()
    result: Raw = NOTHING


class Now(Struct):
    """``/v5/market/time``"""

    nanos: Annotated[int, Meta(ge=1_000, lt=YEAR_2100 * 1000)] = field(name="timeNano")


class Candles(Struct):
    """``/v5/market/kline``: newest first, the running one too."""

    symbol: Name
    rows: list[CandleRow] = field(name="list")
    category: str = ""


class FundingRow(Struct):
    """One rate that was paid."""

    symbol: Name
    rate: Rate = field(name="fundingRate")
    time: Millis = field(name="fundingRateTimestamp")


class FundingRates(Struct):
    """``/v5/market/funding/history``: newest first."""

    rows: list[FundingRow] = field(name="list")
    category: str = ""


class TradeRow(Struct):
    """One trade; ``side`` is the taker's."""

    symbol: Name
    id: Annotated[str, Meta(min_length=1, max_length=128)] = field(name="execId")
    price: Price = field()
    size: TradeSize = field()
    side: Literal["Buy", "Sell"] = field()
    time: Millis = field()
    block: bool = field(name="isBlockTrade", default=False)


class Trades(Struct):
    """``/v5/market/recent-trade``: newest first."""

    rows: list[TradeRow] = field(name="list")
    category: str = ""


class BookNow(Struct):
    """``/v5/market/orderbook``: best first."""

    symbol: Name = field(name="s")
    bids: Levels = field(name="b")
    asks: Levels = field(name="a")
    time: Millis = field(name="ts")
    u: UpdateId = field()


class Tickers(Struct):
    """``/v5/market/tickers``"""

    rows: list[Ticker] = field(name="list")
    category: str = ""


class PriceFilter(Struct):
    tick: Price = field(name="tickSize")


class LotFilter(Struct):
    """Contracts say ``qtyStep``, spot pairs ``basePrecision``."""

    step: Price | None = field(name="qtyStep", default=None)
    precision: Price | None = field(name="basePrecision", default=None)


class InstrumentRow(Struct):
    """What is traded: its grid, and since when. ``funding`` is in minutes; 0: none."""

    symbol: Name
    status: Name
    prices: PriceFilter = field(name="priceFilter")
    lots: LotFilter = field(name="lotSizeFilter")
    launch: AnyMillis = field(name="launchTime", default=0)
    funding: Annotated[int, Meta(ge=0, le=100_000)] = field(name="fundingInterval", default=0)


class Instruments(Struct):
    """``/v5/market/instruments-info``; ``cursor`` leads to the next page, empty on the last."""

    rows: list[InstrumentRow] = field(name="list")
    category: str = ""
    cursor: Annotated[str, Meta(max_length=2_000)] = field(name="nextPageCursor", default="")


read_answer = Decoder(Answer).decode
read_now = Decoder(Now, strict=False).decode
read_candles = Decoder(Candles, strict=False).decode
read_funding = Decoder(FundingRates, strict=False).decode
read_trades = Decoder(Trades, strict=False).decode
read_book = Decoder(BookNow, strict=False).decode
read_tickers = Decoder(Tickers, strict=False).decode
read_instruments = Decoder(Instruments, strict=False).decode
