"""Binance frames to events: real recordings against a second parser and a slow book, and by example."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.binance.bridge import HELD
from connectors.binance.parse import BinanceParser
from connectors.frames import Frame, Parsed
from connectors.recorded import read_frames
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Kline, Ticker, Trade

RECV = 1_723_161_600_002_201
MS = 1_723_161_601_269

PAIRS = {
    "spot_btcusdt": ("20240808", "20240809"),
    "spot_ethusdt": ("20240808", "20240809"),
    "usdm_btcusdt": ("20230404", "20230405"),
    "usdm_btcusdt_": ("20240718", "20240719"),
    "cm_btcusd_perp": ("20240808", "20240809"),
    "usdm_ethusdt": ("20240808",),
}


def frame(message: Any, conn: str = "spot") -> Frame:
    return Frame("binance", conn, RECV, message if isinstance(message, bytes) else json.dumps(message).encode())


def parse(message: Any, parser: BinanceParser | None = None) -> Parsed:
    return (parser or BinanceParser()).parse(frame(message))


def depth(first: int, u: int, prev: int | None = None, **changes: Any) -> dict:
    message = {"e": "depthUpdate", "E": MS, "s": "BTCUSDT", "U": first, "u": u, "b": [], "a": []}
    return message | ({} if prev is None else {"pu": prev}) | changes


def rest(u: int, bids: Any = (), asks: Any = (), **changes: Any) -> dict:
    return {"lastUpdateId": u, "bids": bids, "asks": asks} | changes


def trade(**changes: Any) -> dict:
    message = {"e": "trade", "E": MS, "s": "BTCUSDT", "t": 5, "p": "10.5", "q": "2", "T": MS - 1, "m": True}
    return message | changes


def files(shared_data: Path, pair: str) -> list[Path]:
    folder = shared_data / "l2" / "binance_raw"
    return [folder / f"{pair.rstrip('_')}_{day}.gz" for day in PAIRS[pair]]


def read(source: Any) -> tuple[list[AnyMarketEvent], BinanceParser]:
    parser, events = BinanceParser(), []
    for received in read_frames(source):
        parsed = parser.parse(received)
        assert parsed.bad == []
        events += parsed.events
    return events, parser


@pytest.mark.req("FS-FR-001.3")
@pytest.mark.parametrize("pair", PAIRS)
def test_recorded_books_bridge_and_never_cross(pair: str, shared_data: Path, brute_book: Any) -> None:
    """The rule that the schema states holds from the snapshot to the end, across midnight, at spot and on futures."""
    book = brute_book()
    for event in read(files(shared_data, pair))[0]:
        book.feed(event)

    assert (book.gaps, book.stale, book.crossed) == (0, 0, 0)
    assert book.applied > 6000


@pytest.mark.req("FS-FR-001.3")
def test_two_quiet_hours_replay_without_a_gap(shared_data: Path, brute_book: Any) -> None:
    """Depth, trades and two snapshots from four files; the second snapshot comes in the middle of the stream."""
    events, parser = read(shared_data / "l2" / "binance_spot_ETHBTC_20201101")
    book = brute_book()
    for event in events:
        book.feed(event)

    assert (book.gaps, book.stale, book.crossed, book.applied) == (0, 0, 0, 5757)
    assert sum(isinstance(event, BookSnapshot) for event in events) == 2
    assert sum(isinstance(event, Trade) for event in events) == 2828
    assert parser.ignored == {"delta before its snapshot": 1}


@pytest.mark.parametrize("pair", ["spot_btcusdt", "usdm_btcusdt"])
def test_recorded_frames_read_as_a_second_parser_reads_them(pair: str, shared_data: Path) -> None:
    """Every event but the snapshot; only deltas that the snapshot covers are missing."""
    expected: list[AnyMarketEvent] = []
    for path in files(shared_data, pair):
        with gzip.open(path) as lines:
            for line in lines:
                expected += slow_events(*line.split(b" ", 1))
    events, _ = read(files(shared_data, pair))
    snapshot = next(event for event in events if isinstance(event, BookSnapshot))
    stale = [event for event in expected if isinstance(event, BookDelta) and event.u <= snapshot.u]

    assert by_receipt(event for event in events if event is not snapshot) == by_receipt(
        event for event in expected if event not in stale
    )
    assert len(stale) == {"spot_btcusdt": 2, "usdm_btcusdt": 0}[pair]


def by_receipt(events: Any) -> list[AnyMarketEvent]:
    return sorted(events, key=lambda event: (event.recv, type(event).__name__, event.ts))


def slow_events(time: bytes, data: bytes) -> list[AnyMarketEvent]:
    recv = int(time) // 1000 if len(time) == 19 else int(time)
    outer = json.loads(data)
    said = outer.get("data", outer)
    match said.get("e"):
        case "depthUpdate":
            prev = said.get("pu", said["U"] - 1)
            bids = [(float(p), float(s)) for p, s in said["b"]]
            asks = [(float(p), float(s)) for p, s in said["a"]]
            return [BookDelta(said["s"], said["E"] * 1000, recv, said["u"], prev, bids, asks, first=prev + 1)]
        case "trade" if said.get("X", "MARKET") == "MARKET":
            side = "sell" if said["m"] else "buy"
            price, size = float(said["p"]), float(said["q"])
            return [Trade(said["s"], said["T"] * 1000, recv, str(said["t"]), side, price, size)]
        case "markPriceUpdate":
            return [
                Ticker(
                    said["s"],
                    said["E"] * 1000,
                    recv,
                    mark=float(said["p"]),
                    index=float(said["i"]),
                    funding_rate=float(said["r"]),
                    next_funding=said["T"] * 1000,
                )
            ]
    return []


def test_insurance_fund_executions_are_left_out(shared_data: Path) -> None:
    """The recorded one is 2 % off the market; no taker made it."""
    events, parser = read(files(shared_data, "usdm_btcusdt"))

    assert parser.ignored["execution without a taker"] == 1
    assert "3535191080" not in {event.id for event in events if isinstance(event, Trade)}
    assert parse(trade(X="NA", p="0", q="0"), parser) == Parsed([], [])


def test_deltas_wait_for_the_snapshot_and_follow_it() -> None:
    """Those that the snapshot covers are dropped, those that reach beyond it keep their order."""
    parser = BinanceParser()
    held = [parse(depth(*ids), parser).events for ids in [(1, 5), (6, 9), (10, 12)]]
    events = parse(rest(7), parser).events

    assert held == [[], [], []]
    assert [(type(event), event.u) for event in events] == [(BookSnapshot, 7), (BookDelta, 9), (BookDelta, 12)]
    assert [event.u for event in parse(depth(13, 14), parser).events] == [14]
    assert parser.ignored["delta before its snapshot"] == 1


def test_a_later_snapshot_is_bridged_too() -> None:
    """Deltas that overtook it on the wire are said again, so that the book does not fall back."""
    parser = BinanceParser()
    parse(rest(7, symbol="BTCUSDT"), parser)
    parse(depth(8, 10), parser)
    parse(depth(11, 12), parser)

    assert [event.u for event in parse(rest(9), parser).events] == [9, 10, 12]


def test_a_stream_without_a_snapshot_is_passed_on_in_the_end() -> None:
    """Nothing is lost: after so many deltas the wait is over, and all come at once."""
    parser = BinanceParser()
    sizes = [len(parse(depth(u, u), parser).events) for u in range(1, HELD + 4)]

    assert sizes == [0] * HELD + [HELD + 1, 1, 1]
    assert parser.ignored["delta before its snapshot"] == 0


@pytest.mark.req("FS-FR-001.3")
@given(data=st.data(), skips=st.booleans())
def test_a_snapshot_at_any_moment_gives_the_true_book(data: Any, skips: bool) -> None:
    """However late it comes, and also where futures skip update ids: the book is that of all updates, without a gap."""
    changes = data.draw(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=30))
    truth: dict[float, float] = {}
    books: dict[int, list] = {0: []}
    deltas: list[dict] = []
    u = 0
    for price, size in changes:
        first = u + 1 + (data.draw(st.integers(0, 3)) if skips else 0)
        last = first + data.draw(st.integers(0, 2))
        deltas.append(depth(first, last, u if skips else None, b=[[str(price), str(size)]]))
        truth[float(price)] = float(size)
        u = last
        books[u] = [[str(p), str(s)] for p, s in truth.items() if s]
    shown = data.draw(st.sampled_from(sorted(books)))
    arrives = data.draw(st.integers(0, len(deltas)))
    messages = [*deltas[:arrives], rest(shown, books[shown], symbol="BTCUSDT"), *deltas[arrives:]]

    parser, book = BinanceParser(), Replay()
    for message in messages:
        for event in parse(message, parser).events:
            book.feed(event)

    future = shown > (deltas[arrives - 1]["u"] if arrives else 0)
    assert book.gaps == 0
    assert future or book.bids == {price: size for price, size in truth.items() if size}


class Replay:
    """A book under the schema's rule, bids only."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.u = self.gaps = 0
        self.fresh = False

    def feed(self, event: Any) -> None:
        if isinstance(event, BookSnapshot):
            self.bids, self.u, self.fresh = dict(event.bids), event.u, True
        elif event.u > self.u:
            follows = event.first <= self.u + 1 if self.fresh else event.prev == self.u
            self.gaps += not follows
            self.bids = {p: s for p, s in (self.bids | dict(event.bids)).items() if s}
            self.u, self.fresh = event.u, False


def test_a_rest_answer_takes_its_symbol_from_what_is_known() -> None:
    """From itself, from a wrapper, or from the only symbol of the connection; else it is refused."""
    parser = BinanceParser()

    assert "names no symbol" in parse(rest(1), parser).bad[0].reason
    assert parse(rest(1, symbol="BTCUSD_PERP"), parser).events[0].symbol == "BTCUSD_PERP"
    assert parse(rest(1), parser).events[0].symbol == "BTCUSD_PERP"
    assert parse({"stream": "ethbtc@depth@rest", "data": rest(1)}, parser).events[0].symbol == "ETHBTC"
    assert "has shown 2" in parse(rest(1), parser).bad[0].reason


def test_a_rest_answer_without_a_time_counts_when_it_came() -> None:
    """Spot answers say none."""
    untimed, timed = (parse(rest(1, symbol="X1", **extra)).events[0] for extra in ({}, {"E": MS}))

    assert (untimed.ts, timed.ts) == (RECV, MS * 1000)


@pytest.mark.parametrize(("maker", "side"), [(True, "sell"), (False, "buy")])
def test_the_aggressor_is_who_was_not_the_maker(maker: bool, side: str) -> None:
    """``m`` says that the buyer was the maker."""
    assert parse(trade(m=maker)).events == [Trade("BTCUSDT", (MS - 1) * 1000, RECV, "5", side, 10.5, 2.0)]


def test_single_and_aggregate_trades_are_not_counted_twice() -> None:
    """The kind that a symbol shows first is read."""
    parser = BinanceParser()
    aggregate = {"e": "aggTrade", "E": MS, "s": "BTCUSDT", "a": 7, "p": "1", "q": "1", "T": MS, "m": False}

    assert len(parse(trade(), parser).events) == 1
    assert parse(aggregate, parser) == Parsed([], [])
    assert len(parse(aggregate | {"s": "ETHUSDT"}, parser).events) == 1
    assert parser.ignored == {"the other kind of trade": 1}


def test_a_minute_candle_is_read() -> None:
    """``x`` says that it is closed; other intervals are left out."""
    candle = {"t": MS - MS % 60_000, "i": "1m", "o": "2", "h": "4", "l": "1", "c": "3", "v": "10", "q": "25", "x": True}
    message = {"e": "kline", "E": MS, "s": "BTCUSDT", "k": candle}
    start = candle["t"] * 1000

    assert parse(message).events == [Kline("BTCUSDT", MS * 1000, RECV, start, 2.0, 4.0, 1.0, 3.0, 10.0, 25.0, True)]
    assert parse(message | {"k": candle | {"i": "5m"}}) == Parsed([], [])


def test_a_delivery_contract_has_no_funding() -> None:
    """Its rate is empty and its time 0."""
    message = {"e": "markPriceUpdate", "E": MS, "s": "BTCUSD_240927", "p": "10", "P": "9", "i": "11", "r": "", "T": 0}

    assert parse(message).events == [Ticker("BTCUSD_240927", MS * 1000, RECV, mark=10.0, index=11.0)]


def test_book_tickers_and_replies_are_counted() -> None:
    """They repeat the top of the depth stream, with and without a name."""
    parser = BinanceParser()
    nameless = {"u": 1, "s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "1"}
    for message in (
        nameless,
        nameless | {"e": "bookTicker"},
        {"stream": "btcusdt@bookTicker", "data": nameless},
        {"result": None, "id": 1},
    ):
        assert parse(message, parser) == Parsed([], [])
    assert parser.ignored == {"book ticker": 3, "reply": 1}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "not a Binance message: Input data was truncated"),
        (b"\xff", "not a Binance message: JSON is malformed"),
        (b'{"e":"\xff"}', "not a Binance message: 'utf-8' codec"),
        (b'{"x":' + b"[" * 100_000, "not a Binance message: maximum recursion depth"),
        ({}, "not a Binance message: neither an event nor a reply"),
        ({"code": -1121, "msg": "Invalid symbol."}, "not a Binance message: neither an event nor a reply"),
        ({"e": "forceOrder"}, "forceOrder: unknown event"),
        ({"stream": "x@depth"}, "not a Binance message: Input data was truncated"),
        (depth(5, 4), "depthUpdate: updates 4 < 5..4 do not rise"),
        (depth(5, 6, 5), "depthUpdate: updates 5 < 5..6 do not rise"),
        (depth(5, 6, s="btc usdt"), "depthUpdate: 'btc usdt' is no symbol"),
        (depth(5, 6, b=[["nan", "1"]]), "depthUpdate: Expected `float` > 0.0"),
        (trade(q="-1"), "trade: Expected `float` >= 0.0"),
        (trade(p="0"), "trade: price 0.0 or quantity 2.0 is 0"),
        (trade(m="maker"), "trade: Expected `bool`"),
        (rest(1, [["1", "inf"]]), "depth snapshot: Expected `float` < 1e+18"),
        (rest("x"), "not a Binance message: Expected `int"),
    ],
)
def test_what_cannot_be_read_is_reported_with_the_reason(message: Any, reason: str) -> None:
    """The whole frame is kept beside the reason, and nothing is raised."""
    parsed = parse(message)

    assert parsed.events == []
    assert [bad.raw for bad in parsed.bad] == [frame(message).data]
    assert parsed.bad[0].reason.startswith(reason)
