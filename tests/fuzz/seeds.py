"""Small frames of every kind that the parsers read: where mutation starts. Made here, not recorded."""

import json
from typing import Any

MS = 1_700_000_000_000


def bybit_messages() -> list[Any]:
    """One of each channel, type and reply."""
    book = {"s": "BTCUSDT", "b": [["10.5", "1"], ["10", "0"]], "a": [["11", "2"]], "u": 5, "seq": 9}
    trade = {"T": MS, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "10.5", "i": "id-1", "BT": False}
    candle = {"start": MS - 7, "interval": "1", "open": "2", "high": "4", "low": "1", "close": "3"}
    candle |= {"volume": "10", "turnover": "25", "confirm": True}
    ticker = {
        "symbol": "BTCUSDT",
        "lastPrice": "10",
        "bid1Price": "",
        "fundingRate": "-0.0001",
        "nextFundingTime": str(MS),
    }
    bodies: list[tuple[str, str, Any]] = [
        ("orderbook.50.BTCUSDT", "snapshot", book),
        ("orderbook.50.BTCUSDT", "delta", book | {"u": 6}),
        ("orderbook.1.BTCUSDT", "snapshot", book),
        ("publicTrade.BTCUSDT", "snapshot", [trade, trade | {"S": "Sell", "i": "id-2"}]),
        ("kline.1.BTCUSDT", "snapshot", [candle]),
        ("tickers.BTCUSDT", "snapshot", ticker),
        ("tickers.BTCUSDT", "delta", {"symbol": "BTCUSDT", "markPrice": "9.5"}),
    ]
    replies = [
        {"success": True, "op": "subscribe"},
        {"op": "pong"},
        {"success": False, "ret_msg": "no", "op": "subscribe"},
    ]
    return [{"topic": topic, "type": kind, "ts": MS, "data": data} for topic, kind, data in bodies] + replies


def binance_messages() -> list[Any]:
    """One of each event, bare and wrapped, and a REST answer."""
    depth = {"e": "depthUpdate", "E": MS, "s": "BTCUSDT", "U": 5, "u": 6, "b": [["10.5", "1"]], "a": [["11", "0"]]}
    trade = {"e": "trade", "E": MS, "s": "BTCUSDT", "t": 5, "p": "10.5", "q": "2", "T": MS, "m": True}
    candle = {"t": MS, "i": "1m", "o": "2", "h": "4", "l": "1", "c": "3", "v": "10", "q": "25", "x": True}
    messages = [
        depth,
        depth | {"pu": 4},
        trade,
        trade | {"X": "MARKET"},
        {"e": "aggTrade", "E": MS, "s": "ETHBTC", "a": 7, "p": "1", "q": "1", "T": MS, "m": False},
        {"e": "markPriceUpdate", "E": MS, "s": "BTCUSDT", "p": "10", "i": "11", "r": "0.0001", "T": MS},
        {"e": "kline", "E": MS, "s": "BTCUSDT", "k": candle},
        {"lastUpdateId": 4, "bids": [["10", "1"]], "asks": [["11", "1"]], "symbol": "BTCUSDT"},
        {"result": None, "id": 1},
    ]
    return messages + [{"stream": "btcusdt@depth", "data": message} for message in messages]


def gateway_messages() -> list[Any]:
    """One of each queue: an exchange message's elements in an envelope each."""
    kinds = {"publicTrade": "trade", "tickers": "ticker", "orderbook": "orderbook", "kline": "kline"}
    messages = []
    for message in bybit_messages():
        if (kind := kinds.get(str(message.get("topic")).split(".")[0])) is None:
            continue
        data = message["data"]
        for element in data if isinstance(data, list) else [data]:
            book = {"type": message["type"]} if kind == "orderbook" else {}
            messages.append((kind, message["topic"], element | book))
    rate = {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(MS), "nextFundingTime": str(MS)}
    messages += [("funding", "fundingRate.BTCUSDT", rate), ("liquidation", "liquidation", {"s": "BTCUSDT"})]
    times = {"timestamp": "2023-11-14T22:13:20.000000", "received_at": "2023-11-14T22:13:20.100000"}
    return [
        {"event_id": "1", "event_type": kind, "topic": topic, **times, "payload": payload, "trace_id": "2"}
        for kind, topic, payload in messages
    ]


def seeds() -> dict[str, list[bytes]]:
    """Frames by venue."""
    made = {"bybit": bybit_messages(), "binance": binance_messages(), "ws-gateway": gateway_messages()}
    return {venue: [json.dumps(message).encode() for message in messages] for venue, messages in made.items()}
