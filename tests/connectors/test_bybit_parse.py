"""Bybit v5 frames to events, against a second, slow parser and by example."""

import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from connectors.bybit.parse import BybitParser
from connectors.frames import Frame, Parsed
from connectors.recorded import read_frames
from schemas.market import AnyMarketEvent, BookDelta, BookSnapshot, Kline, Ticker, Trade

ALL_CHANNELS = "bybit_v5_linear_spot_20260809.jsonl.gz"
RECV = 1_786_310_819_965_676
FILES = [
    ALL_CHANNELS,
    "bybit_v5_linear_orderbook1_20250613.txt.gz",
    "bybit_v5_linear_XRPUSDT_orderbook500_20241201.jsonl",
    "bybit_v5_spot_BTCUSDT_orderbook50_20260824.jsonl",
]


def frame(message: Any, conn: str = "linear", recv: int = RECV) -> Frame:
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Frame("bybit", conn, recv, data)


def parse(message: Any, conn: str = "linear", parser: BybitParser | None = None) -> Parsed:
    return (parser or BybitParser()).parse(frame(message, conn))


def book(kind: str, u: int, bids: Any = (), asks: Any = (), depth: int = 50, symbol: str = "BTCUSDT") -> dict:
    data = {"s": symbol, "b": bids, "a": asks, "u": u, "seq": 9}
    return {"topic": f"orderbook.{depth}.{symbol}", "type": kind, "ts": 1_700_000_000_001, "data": data}


def trade(**changes: Any) -> dict:
    element = {"T": 1_700_000_000_000, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "40000.5", "i": "id-1", "BT": False}
    return {key: value for key, value in (element | changes).items() if value is not None}


def trades(*elements: Any) -> dict:
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1_700_000_000_001, "data": list(elements)}


def ticker(kind: str, **fields: Any) -> dict:
    data = {"symbol": "BTCUSDT"} | fields
    return {"topic": "tickers.BTCUSDT", "type": kind, "ts": 1_700_000_000_001, "data": data}


class SlowParser:
    """The oracle: the json module and one step after the other, for well-formed frames only."""

    def __init__(self) -> None:
        self.tickers: dict[tuple[str, str], dict] = {}

    def events(self, frame: Frame) -> list[AnyMarketEvent]:
        message = json.loads(frame.data)
        if "topic" not in message:
            return []
        channel, *_, symbol = message["topic"].split(".")
        name = symbol + ("-SPOT" if frame.conn == "spot" else "")
        at = (name, message["ts"] * 1000, frame.recv)
        data = message["data"]
        match channel:
            case "orderbook":
                bids = [(float(p), float(s)) for p, s in data["b"]]
                asks = [(float(p), float(s)) for p, s in data["a"]]
                if message["type"] == "snapshot":
                    return [BookSnapshot(*at, u=data["u"], bids=bids, asks=asks)]
                return [BookDelta(*at, u=data["u"], prev=data["u"] - 1, bids=bids, asks=asks)]
            case "publicTrade":
                return [
                    Trade(name, t["T"] * 1000, frame.recv, t["i"], t["S"].lower(), float(t["p"]), float(t["v"]))
                    for t in data
                ]
            case "kline":
                names = ("open", "high", "low", "close", "volume", "turnover")
                return [Kline(*at, k["start"] * 1000, *(float(k[n]) for n in names), closed=k["confirm"]) for k in data]
        return [self.ticker(frame, message, symbol, at)]

    def ticker(self, frame: Frame, message: dict, symbol: str, at: Any) -> Ticker:
        if message["type"] == "snapshot":
            self.tickers[frame.conn, symbol] = {}
        now = self.tickers[frame.conn, symbol]
        now.update(message["data"])

        def number(key: str) -> float | None:
            return float(now[key]) if now.get(key) else None

        funding = now.get("nextFundingTime")
        return Ticker(
            *at,
            last=number("lastPrice"),
            mark=number("markPrice"),
            index=number("indexPrice"),
            bid=number("bid1Price"),
            bid_size=number("bid1Size"),
            ask=number("ask1Price"),
            ask_size=number("ask1Size"),
            volume_24h=number("volume24h"),
            turnover_24h=number("turnover24h"),
            open_interest=number("openInterest"),
            funding_rate=number("fundingRate"),
            next_funding=int(funding) * 1000 if funding else None,
        )


def session(folder: Path) -> list[AnyMarketEvent]:
    parser = BybitParser()
    return [event for frame in read_frames(folder / ALL_CHANNELS) for event in parser.parse(frame).events]


@pytest.mark.req("FS-FR-001", "FS-FR-001.4")
@pytest.mark.parametrize("file", FILES)
def test_every_recorded_frame_reads_as_a_second_parser_reads_it(file: str, shared_data: Path) -> None:
    """Event for event, with no frame refused."""
    fast, slow = BybitParser(), SlowParser()
    for received in read_frames(shared_data / "bybit_ws" / file):
        parsed = fast.parse(received)

        assert parsed.bad == []
        assert parsed.events == slow.events(received)


def test_the_session_holds_what_its_description_says(shared_data: Path) -> None:
    """2,347 frames, 24 of them replies; 4 of 77 klines are closed; spot symbols stand apart."""
    parser = BybitParser()
    frames = list(read_frames(shared_data / "bybit_ws" / ALL_CHANNELS))
    events = [event for received in frames for event in parser.parse(received).events]

    assert len(frames) == 2347
    assert parser.ignored == {"reply": 24}
    assert Counter(type(event) for event in events)[Kline] == 77
    assert sum(isinstance(event, Kline) and event.closed for event in events) == 4
    assert {event.symbol for event in events} == {"BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSDT-SPOT"}


@pytest.mark.req("FS-FR-001.3")
def test_recorded_books_have_no_gap_and_never_cross(shared_data: Path, brute_book: Any) -> None:
    """Four books, each 200 levels a side after every message."""
    books = defaultdict(brute_book)
    for event in session(shared_data / "bybit_ws"):
        if isinstance(event, BookSnapshot | BookDelta):
            book = books[event.symbol]
            book.feed(event)

            assert (len(book.bids), len(book.asks)) == (200, 200)
    assert {symbol: (book.gaps, book.stale, book.crossed) for symbol, book in books.items()} == dict.fromkeys(
        ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSDT-SPOT"), (0, 0, 0)
    )
    assert sum(book.applied for book in books.values()) == 1514


@pytest.mark.req("FS-FR-001.3")
def test_recorded_deep_book_has_no_gap(shared_data: Path, brute_book: Any) -> None:
    """The 500-level file of the exchange itself: one snapshot, 49 deltas."""
    book, parser = brute_book(), BybitParser()
    for received in read_frames(shared_data / "bybit_ws" / FILES[2]):
        for event in parser.parse(received).events:
            book.feed(event)

    assert (book.applied, book.gaps, book.crossed, len(book.bids), len(book.asks)) == (49, 0, 0, 500, 500)


def test_frames_from_before_v5_are_refused_one_by_one(shared_data: Path) -> None:
    """Another protocol on the same wire: every frame but the replies is reported, none raises."""
    parser = BybitParser()
    seen = Counter()
    for received in read_frames(shared_data / "bybit_ws" / "legacy_pre_v5"):
        parsed = parser.parse(received)
        seen.update(events=len(parsed.events), bad=len(parsed.bad))

        assert all(bad.raw == received.data and "unknown topic" in bad.reason for bad in parsed.bad)
    assert seen == {"events": 0, "bad": 4420}
    assert parser.ignored == {"reply": 20}


def test_a_delta_follows_on_the_update_before_it() -> None:
    """``prev`` is ``u`` - 1; a size of 0 stays, because it removes a level."""
    parsed = parse(book("delta", 8, [["10.5", "0"]], [["11", "2.5"]]))

    assert parsed.events == [
        BookDelta("BTCUSDT", 1_700_000_000_001_000, RECV, u=8, prev=7, bids=[(10.5, 0.0)], asks=[(11.0, 2.5)])
    ]


@pytest.mark.parametrize("kind", ["snapshot", "delta"])
def test_update_one_is_a_snapshot_whatever_its_type(kind: str) -> None:
    """The exchange restarted its service and counts from 1 again."""
    (event,) = parse(book(kind, 1, [["10", "1"]], [["11", "1"]])).events

    assert isinstance(event, BookSnapshot)


def test_a_snapshot_level_of_size_zero_is_none() -> None:
    """It says that there is nothing at this price."""
    (event,) = parse(book("snapshot", 5, [["10", "1"], ["9", "0"]], [])).events

    assert event.bids == [(10.0, 1.0)]


def test_the_first_depth_of_a_symbol_wins() -> None:
    """Two depths of one symbol on one connection would be two books under one name."""
    parser = BybitParser()
    kinds = [
        len(parser.parse(frame(book("snapshot", 5, depth=depth, symbol=symbol))).events)
        for depth, symbol in [(200, "BTCUSDT"), (1, "BTCUSDT"), (1, "ETHUSDT"), (200, "BTCUSDT")]
    ]

    assert kinds == [1, 0, 1, 1]
    assert parser.ignored == {"orderbook of another depth": 1}


def test_a_chosen_depth_keeps_the_others_out() -> None:
    """With ``depth`` set, what comes first does not matter."""
    parser = BybitParser(depth=200)

    assert not parse(book("snapshot", 5, depth=1), parser=parser).events
    assert parse(book("snapshot", 5, depth=200), parser=parser).events


def test_spot_and_perpetual_of_one_name_stay_apart() -> None:
    """Events are told apart by symbol alone."""
    parser = BybitParser()
    symbols = [
        parse(trades(trade()), conn, parser).events[0].symbol for conn in ("linear", "spot", "spot/2", "linear/2")
    ]

    assert symbols == ["BTCUSDT", "BTCUSDT-SPOT", "BTCUSDT-SPOT", "BTCUSDT"]


def test_a_bad_trade_does_not_take_the_good_ones_with_it() -> None:
    """Each bad element is reported with its own bytes; the others keep their order."""
    bad = [trade(S=None), trade(p="-1"), trade(p="NaN"), trade(v="0"), trade(T="soon"), 7, trade(s="ETHUSDT")]
    parsed = parse(trades(trade(i="first"), *bad, trade(i="last")))

    assert [event.id for event in parsed.events] == ["first", "last"]
    assert [json.loads(part.raw) for part in parsed.bad] == bad
    assert {part.symbol for part in parsed.bad} == {"BTCUSDT"}


def test_a_trade_without_a_side_says_so() -> None:
    """Nobody guesses who was the aggressor."""
    (bad,) = parse(trades(trade(S=None))).bad

    assert bad.reason == "publicTrade.BTCUSDT: Object missing required field `S`"


def test_block_trades_are_left_out() -> None:
    """They are agreed off the book, at prices of their own."""
    parser = BybitParser()

    assert [event.id for event in parse(trades(trade(BT=True), trade(i="b")), parser=parser).events] == ["b"]
    assert parser.ignored == {"block trade": 1}


def test_a_ticker_is_whole_though_its_deltas_are_sparse() -> None:
    """A field that is left out has not changed, an empty one is unknown; a price of 0 is none, a rate of 0 is one."""
    parser = BybitParser()
    parse(
        ticker("snapshot", lastPrice="10", bid1Price="9", fundingRate="0.0001", nextFundingTime="1700000000000"),
        parser=parser,
    )
    (event,) = parse(
        ticker("delta", lastPrice="11", bid1Price="", fundingRate="0", markPrice="0"), parser=parser
    ).events

    assert event == Ticker(
        "BTCUSDT",
        1_700_000_000_001_000,
        RECV,
        last=11.0,
        funding_rate=0.0,
        next_funding=1_700_000_000_000_000,
    )


def test_ticker_deltas_wait_for_a_snapshot() -> None:
    """Nothing half known is written, neither at the start nor after the connection was lost."""
    parser = BybitParser()

    assert not parse(ticker("delta", lastPrice="11"), parser=parser).events
    assert parse(ticker("snapshot", lastPrice="10"), parser=parser).events
    parser.forget("linear")
    assert not parse(ticker("delta", lastPrice="11"), parser=parser).events
    assert parser.ignored == {"ticker delta without a snapshot": 2}


def test_connections_keep_their_own_tickers() -> None:
    """A delta on one connection never changes what another one said."""
    parser = BybitParser()
    parse(ticker("snapshot", lastPrice="10"), "linear", parser)
    parse(ticker("snapshot", lastPrice="20"), "spot", parser)
    (event,) = parse(ticker("delta", markPrice="10.5"), "linear", parser).events

    assert (event.last, event.mark) == (10.0, 10.5)


def test_a_bad_ticker_delta_leaves_the_known_values_alone() -> None:
    """A frame is taken as a whole or not at all."""
    parser = BybitParser()
    parse(ticker("snapshot", lastPrice="10", markPrice="10"), parser=parser)

    assert parse(ticker("delta", lastPrice="11", markPrice="x"), parser=parser).bad
    assert parse(ticker("delta", bid1Price="9"), parser=parser).events[0].last == 10.0


@pytest.mark.parametrize(
    "reply",
    [
        {"success": True, "ret_msg": "pong", "conn_id": "x", "req_id": "", "op": "ping"},
        {"op": "pong", "args": ["1700000000000"], "req_id": "1", "conn_id": "x"},
        {"success": True, "ret_msg": "subscribe", "op": "subscribe"},
        {"success": True, "data": {"failTopics": [], "successTopics": ["x"]}, "type": "COMMAND_RESP"},
    ],
)
def test_replies_are_counted_and_nothing_else(reply: dict) -> None:
    """Acknowledgements and pongs hold no market data."""
    parser = BybitParser()

    assert parse(reply, parser=parser) == Parsed([], [])
    assert parser.ignored == {"reply": 1}


def test_a_refused_subscription_is_reported() -> None:
    """The exchange's own words are the reason."""
    (bad,) = parse({"success": False, "ret_msg": "error:handler not found,topic:x", "op": "subscribe"}).bad

    assert bad.reason == "subscribe refused: error:handler not found,topic:x"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "not a Bybit v5 message: Input data was truncated"),
        (b"\xff\xfe", "not a Bybit v5 message: JSON is malformed"),
        (b'{"topic":"\xff"}', "not a Bybit v5 message: 'utf-8' codec"),
        (b"[" * 100_000, "not a Bybit v5 message: Expected `object`"),
        (b'{"topic":' + b"[" * 100_000, "not a Bybit v5 message"),
        (b'{"x":' + b"[" * 100_000, "not a Bybit v5 message: maximum recursion depth"),
        ({}, "neither a topic nor a reply"),
        ({"op": "subscribe", "args": ["x"]}, "neither a topic nor a reply"),
        ({"retCode": 10001, "ret_msg": "params error"}, "neither a topic nor a reply params error"),
        ({"topic": "orderbook.7.BTCUSDT"}, "unknown topic 'orderbook.7.BTCUSDT'"),
        ({"topic": "orderbook.50.btc usdt"}, "unknown topic"),
        ({"topic": "allLiquidation.BTCUSDT"}, "unknown topic"),
        ({"topic": "kline.2.BTCUSDT"}, "unknown topic"),
        (book("delta", 8) | {"ts": 0}, "orderbook.50.BTCUSDT: no valid time in ts"),
        (book("delta", 8) | {"ts": 1_700_000_000_001_000}, "orderbook.50.BTCUSDT: no valid time in ts"),
        (book("change", 8), "orderbook.50.BTCUSDT: unknown type 'change'"),
        (ticker("change"), "tickers.BTCUSDT: unknown type 'change'"),
        (book("delta", 8) | {"topic": "orderbook.50.ETHUSDT"}, "orderbook of ETHUSDT: data of 'BTCUSDT'"),
        (book("delta", -1), "orderbook.50.BTCUSDT: Expected `int` >= 0"),
        (book("delta", 2**70), "orderbook.50.BTCUSDT: Expected `int`"),
        (book("delta", 8, [["10"]]), "orderbook.50.BTCUSDT: Expected `array` of length 2 - at `$.b[0]`"),
        (book("delta", 8, [["ten", "1"]]), "orderbook.50.BTCUSDT: Expected `float`, got `str` - at `$.b[0][0]`"),
        (book("delta", 8, [["0", "1"]]), "orderbook.50.BTCUSDT: Expected `float` > 0.0"),
        (book("delta", 8, [["1", "-1"]]), "orderbook.50.BTCUSDT: Expected `float` >= 0.0"),
        (book("delta", 8, [["1", "nan"]]), "orderbook.50.BTCUSDT: Expected `float` >= 0.0"),
        (book("delta", 8, [["Infinity", "1"]]), "orderbook.50.BTCUSDT: Expected `float` < 1e+18"),
        (book("delta", 8, [["1e999", "1"]]), "orderbook.50.BTCUSDT: Number out of range"),
        (trades() | {"data": {"s": "BTCUSDT"}}, "publicTrade.BTCUSDT: Expected `array`"),
        ({"topic": "publicTrade.BTCUSDT", "ts": 1}, "publicTrade.BTCUSDT: Input data was truncated"),
    ],
)
def test_what_cannot_be_read_is_reported_with_the_reason(message: Any, reason: str) -> None:
    """The whole frame is kept beside the reason, and nothing is raised."""
    parsed = parse(message)

    assert parsed.events == []
    assert [bad.raw for bad in parsed.bad] == [frame(message).data]
    assert parsed.bad[0].reason.startswith(reason)


def test_klines_of_other_intervals_are_left_out() -> None:
    """Candles are one minute long; longer ones are made from them."""
    parser = BybitParser()
    message = {"topic": "kline.5.BTCUSDT", "type": "snapshot", "ts": 1_700_000_000_001, "data": []}

    assert parse(message, parser=parser) == Parsed([], [])
    assert parser.ignored == {"kline of another interval": 1}


def test_field_order_and_unknown_fields_do_not_matter(shared_data: Path) -> None:
    """Sorted keys, spaces and fields that come one day give the same events."""
    plain, dressed = BybitParser(), BybitParser()
    with gzip.open(shared_data / "bybit_ws" / ALL_CHANNELS) as lines:
        received = [json.loads(line) for line in lines]
    for line in received:
        if line["t"] == "recv":
            message = json.loads(line["data"]) | {"zeta": {"deep": [1, None, "x"]}, "alpha": None}
            other = json.dumps(message, sort_keys=True, indent=1)

            assert parse(other.encode(), parser=dressed) == parse(line["data"].encode(), parser=plain)
