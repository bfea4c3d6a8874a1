"""A chain that also records, at every event, the market that the oracle is to see."""

from operators.symbol import SILENCE
from schemas.account import AccountConfigured, BalanceEvent, OrderEvent, PositionEvent
from schemas.market import Tick
from schemas.quality import QualityRecord
from schemas.vector import FeatureVector
from tests.operators.paper.chain import Chain
from tests.operators.paper.oracle import Row

OTHERS = (QualityRecord, FeatureVector, OrderEvent, PositionEvent, BalanceEvent)


class RecordingChain(Chain):
    """``rows`` grows by one for every market event, tick and change of terms that the market stage let through."""

    def build(self, cursor):
        self.rows: list[Row] = []
        self.seen = Recorder(self)
        stages = super().build(cursor)
        return [*stages[:2], self.seen, *stages[2:]]


class Recorder:
    """Stands right behind the quotes."""

    layout = 1

    def __init__(self, chain: RecordingChain) -> None:
        self.chain = chain
        self.repeated = False

    def feed(self, record, out):
        out.append(record)
        if isinstance(record, QualityRecord):
            self.repeated = record.problem == "trade.duplicate"
        elif isinstance(record, Tick | AccountConfigured) or (
            hasattr(record, "recv") and not isinstance(record, OTHERS)
        ):
            self.chain.rows.append(self.row(record))
            self.repeated = False

    def row(self, record) -> Row:
        quotes = self.chain.quotes
        ages = {symbol: quotes.age(symbol) for symbol in self.chain.market.symbols}
        alive = {symbol: age < SILENCE for symbol, age in ages.items() if age is not None}
        books = {symbol: quotes.book(symbol) for symbol in alive}
        prices = {symbol: quotes.price(symbol) for symbol in alive}
        return Row(
            self.chain.cursor.offset,
            quotes.clock,
            record,
            {symbol: (dict(book.bids), dict(book.asks)) for symbol, book in books.items() if book is not None},
            alive,
            {symbol: price for symbol, price in prices.items() if price is not None},
            self.repeated,
        )

    def snapshot(self):
        return None

    def restore(self, state):
        pass
