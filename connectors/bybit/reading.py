"""What each kind of answer says, as events: readers for ``Asker.get``, which raise for what makes no sense."""

from collections.abc import Callable

from connectors.bybit import answers, rows
from connectors.bybit.answers import Answer
from connectors.bybit.instruments import Instrument, instrument
from connectors.bybit.spans import Span
from connectors.bybit.topics import their_name
from schemas.market import BookSnapshot, Funding, Kline, Ticker, Trade


def klines_in(symbol: str, span: Span, over: int) -> Callable[[Answer], dict[int, Kline]]:
    """The candles that begin in the span and were closed at ``over`` and by the answer's own time, by their start."""
    _, theirs = their_name(symbol)

    def read(answer: Answer) -> dict[int, Kline]:
        page = answers.read_candles(answer.result)
        rows.all_of(theirs, [page.symbol])
        closed = min(over, answer.time * 1000)
        candles = [rows.kline(symbol, row) for row in rows.each_once(page.rows, lambda row: row[0], "candles")]
        return {kline.start: kline for kline in candles if span[0] <= kline.start < span[1] and kline.ts <= closed}

    return read


def funding_in(symbol: str, span: Span) -> Callable[[Answer], dict[int, Funding]]:
    """The rates that were paid in the span, by when."""
    _, theirs = their_name(symbol)

    def read(answer: Answer) -> dict[int, Funding]:
        page = answers.read_funding(answer.result).rows
        rows.all_of(theirs, [row.symbol for row in page])
        rates = [rows.funding(symbol, row) for row in rows.each_once(page, lambda row: row.time, "funding rates")]
        return {rate.ts: rate for rate in rates if span[0] <= rate.ts < span[1]}

    return read


def trades_of(symbol: str, limit: int) -> Callable[[Answer], list[Trade]]:
    """The last ``limit`` trades, oldest first, without block trades."""
    _, theirs = their_name(symbol)

    def read(answer: Answer) -> list[Trade]:
        page = answers.read_trades(answer.result).rows
        rows.all_of(theirs, [row.symbol for row in page])
        rows.newest_first([row.time for row in page])
        page = rows.each_once(page, lambda row: row.id, "trades")
        return [rows.trade(symbol, row) for row in reversed(page) if not row.block][-limit:]

    return read


def book_of(symbol: str) -> Callable[[Answer], BookSnapshot]:
    """The order book."""
    _, theirs = their_name(symbol)

    def read(answer: Answer) -> BookSnapshot:
        book = answers.read_book(answer.result)
        rows.all_of(theirs, [book.symbol])
        return rows.book(symbol, book)

    return read


def ticker_of(symbol: str) -> Callable[[Answer], Ticker]:
    """The ticker, at the time of the answer."""
    _, theirs = their_name(symbol)

    def read(answer: Answer) -> Ticker:
        page = answers.read_tickers(answer.result).rows
        rows.all_of(theirs, [row.symbol for row in page])
        return rows.ticker(symbol, rows.only(page, theirs), answer.time * 1000)

    return read


def instruments_of(market: str, theirs: str = "") -> Callable[[Answer], tuple[list[Instrument], str]]:
    """A page of what is traded on a market (``theirs``: that one alone), and where the next one is ('': nowhere)."""

    def read(answer: Answer) -> tuple[list[Instrument], str]:
        page = answers.read_instruments(answer.result)
        rows.all_of(theirs, [row.symbol for row in page.rows] if theirs else [])
        rows.all_of(market, [page.category] if page.category else [])
        return [instrument(market, row) for row in page.rows], page.cursor

    return read
