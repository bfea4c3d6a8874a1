"""Bybit v5 frames of the demo exchange, written as Bybit writes them."""

from collections.abc import Callable, Mapping, Sequence

from connectors.demo.candles import MINUTE, Candle
from connectors.demo.instrument import Instrument

Levels = Sequence[tuple[int, int]]
"""(price in ticks, size in lots), best first."""


class Wire:
    """Writes the frames of one instrument. Times go in as microseconds and out as Bybit's milliseconds."""

    def __init__(self, instrument: Instrument, depth: int) -> None:
        self.symbol = instrument.symbol
        self.price = _decimal(instrument.price_digits)
        self.size = _decimal(instrument.size_digits)
        self.turnover = _decimal(instrument.price_digits + instrument.size_digits)
        self.book_topic = f"orderbook.{depth}.{self.symbol}"
        self.trade_topic = f"publicTrade.{self.symbol}"
        self.kline_topic = f"kline.1.{self.symbol}"
        self.ticker_topic = f"tickers.{self.symbol}"
        self.topics = (self.book_topic, self.trade_topic, self.kline_topic, self.ticker_topic)

    def book(self, kind: str, time: int, bids: Levels, asks: Levels, u: int, seq: int) -> bytes:
        """An order book message; ``kind`` is ``snapshot`` or ``delta``."""
        ms = time // 1000
        return (
            f'{{"topic":"{self.book_topic}","type":"{kind}","ts":{ms},"data":{{"s":"{self.symbol}",'
            f'"b":[{self._levels(bids)}],"a":[{self._levels(asks)}],"u":{u},"seq":{seq}}},"cts":{ms}}}'
        ).encode()

    def trades(self, time: int, side: str, fills: Levels, direction: str, first_id: int, seq: int) -> bytes:
        """The fills of one market order; ``side`` is the taker's, ``Buy`` or ``Sell``."""
        ms = time // 1000
        entries = ",".join(
            f'{{"T":{ms},"s":"{self.symbol}","S":"{side}","v":"{self.size(lots)}","p":"{self.price(ticks)}",'
            f'"L":"{direction}","i":"{trade_id(self.symbol, first_id + index)}","BT":false,"RPI":false,"seq":{seq}}}'
            for index, (ticks, lots) in enumerate(fills)
        )
        return f'{{"topic":"{self.trade_topic}","type":"snapshot","ts":{ms},"data":[{entries}]}}'.encode()

    def klines(self, time: int, candles: Sequence[tuple[Candle, bool]]) -> bytes:
        """Candles, each with whether it is over."""
        ms = time // 1000
        entries = ",".join(self._candle(candle, confirm, ms) for candle, confirm in candles)
        return f'{{"topic":"{self.kline_topic}","data":[{entries}],"ts":{ms},"type":"snapshot"}}'.encode()

    def ticker(self, kind: str, time: int, fields: Mapping[str, str], seq: int) -> bytes:
        """A ticker message: every field in a snapshot, the changed ones in a delta."""
        body = "".join(f',"{name}":"{value}"' for name, value in fields.items())
        return (
            f'{{"topic":"{self.ticker_topic}","type":"{kind}","data":{{"symbol":"{self.symbol}"{body}}},'
            f'"cs":{seq},"ts":{time // 1000}}}'
        ).encode()

    def row(self, candle: Candle) -> list[str]:
        """A candle as the REST interface lists it: start (ms), open, high, low, close, volume, turnover."""
        prices = (candle.open, candle.high, candle.low, candle.close)
        return [
            str(candle.start // 1000),
            *map(self.price, prices),
            self.size(candle.volume),
            self.turnover(candle.turnover),
        ]

    def _candle(self, candle: Candle, confirm: bool, ms: int) -> str:
        start, opening, high, low, close, volume, turnover = self.row(candle)
        return (
            f'{{"start":{start},"end":{(candle.start + MINUTE) // 1000 - 1},"interval":"1","open":"{opening}",'
            f'"close":"{close}","high":"{high}","low":"{low}","volume":"{volume}","turnover":"{turnover}",'
            f'"confirm":{"true" if confirm else "false"},"timestamp":{ms}}}'
        )

    def _levels(self, levels: Levels) -> str:
        price, size = self.price, self.size
        return ",".join([f'["{price(ticks)}","{size(lots) if lots else 0}"]' for ticks, lots in levels])


def _decimal(digits: int) -> Callable[[int], str]:
    """A writer of whole numbers of ``10 ** -digits`` as decimals, exactly.

    >>> _decimal(2)(70005), _decimal(0)(7)
    ('700.05', '7')
    """
    if not digits:
        return str
    scale = 10**digits

    def write(number: int) -> str:
        return f"{number // scale}.{number % scale:0{digits}d}"

    return write


def trade_id(symbol: str, number: int) -> str:
    """Trade ids look like UUIDs and follow from the symbol and the trade's number."""
    prefix = symbol.encode()[:8].hex().ljust(16, "0")
    return f"{prefix[:8]}-{prefix[8:12]}-{prefix[12:16]}-{number >> 48 & 0xFFFF:04x}-{number & 0xFFFFFFFFFFFF:012x}"
