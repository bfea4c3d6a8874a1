"""What can happen to a message: ways to make it unreadable, and ways to make it readable nonsense."""

import json
from collections.abc import Callable
from math import inf, nan
from random import Random
from typing import Any

from schemas.bounds import YEAR_2100

SECOND = 1_000_000
HOUR = 3_600 * SECOND

Damage = Callable[[bytes, Random], bytes]

ODD: list[Any] = [
    None, True, "", "1", "x", "\x00", "Ünïcödé 🙂", [], {}, [[]], [{}], [1], [[1]], [[1, 2, 3]], [["1", "2"]],
    0, 1, -1, 0.5, 1e3, 2**53, 2**63, 2**64, 10**18, 10**30, -(10**30), YEAR_2100, YEAR_2100 - 1,
    9e17, 1e18, 1e308, -1e308, 5e-324, nan, inf, -inf, [[None, 1]], [[1, -1]], [[-1, 1]], [[0, 1]], [[1, 0]],
    [[nan, 1]], [[1, inf]], [[1e308, 1e308]], [[1, 1], [1, 2]], [[5e-324, 1], [1e-323, 9e17], [1.5e-323, 1]],
    [[9e17, 9e17], [8e17, 9e17], [7e17, 9e17]],
]  # fmt: skip
"""Values that some field may take, and most may not."""


def with_fields(message: bytes, **fields: Any) -> bytes:
    """The message with fields added or changed."""
    return json.dumps(json.loads(message) | fields).encode()


def truncated(message: bytes, random: Random) -> bytes:
    return message[: random.randrange(len(message))]


def without_a_field(message: bytes, random: Random) -> bytes:
    """Of those that every such event has."""
    body = json.loads(message)
    del body[random.choice([name for name in ("type", "symbol", "recv") if name in body])]
    return json.dumps(body).encode()


def of_unknown_type(message: bytes, random: Random) -> bytes:
    return with_fields(message, type=random.choice(["order", "", "TRADE", "trade ", "x" * 900_000]))


def of_a_wrong_type(message: bytes, random: Random) -> bytes:
    return with_fields(message, recv=random.choice([None, "1700000000000000", 1.5, True, [], {"recv": 1}, nan, inf]))


def beyond_time(message: bytes, random: Random) -> bytes:
    return with_fields(message, recv=random.choice([0, -1, YEAR_2100, 10**18, 2**63, 10**30, -(10**30)]))


def not_utf8(message: bytes, random: Random) -> bytes:
    """In the middle of a text."""
    return message.replace(b'"type":"', b'"type":"' + random.choice([b"\xff", b"\xed\xa0\x80", b"\xc3"]), 1)


def nested(message: bytes, random: Random) -> bytes:
    opening, closing = random.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return message[:-1] + b',"x":' + opening * 50_000 + b"1" + closing * 50_000 + b"}"


def no_event(message: bytes, random: Random) -> bytes:
    things = [b"", b"null", b"[]", b"{}", b"1", b'"trade"', b"\x00" * 9, b"\xef\xbb\xbf" + message, message * 2]
    return random.choice([*things, message.replace(b":", b"=", 1), b"x" * 900_000])


UNREADABLE: list[Damage] = [
    truncated, without_a_field, of_unknown_type, of_a_wrong_type, beyond_time, not_utf8, nested, no_event
]  # fmt: skip
"""After these nothing can be read any more."""


def odd_field(message: bytes, random: Random) -> bytes:
    """Any field becomes anything; often that is still readable."""
    body = json.loads(message)
    body[random.choice(list(body))] = random.choice(ODD)
    return json.dumps(body).encode()


def long_ago(message: bytes, random: Random) -> bytes:
    recv = json.loads(message)["recv"]
    return with_fields(message, recv=random.choice([1, recv - 40 * SECOND, recv - random.randrange(1, 30 * HOUR)]))


def a_bit_ahead(message: bytes, random: Random) -> bytes:
    return with_fields(message, recv=json.loads(message)["recv"] + random.randrange(90 * SECOND))


def crossed(message: bytes, random: Random) -> bytes:
    body = {"symbol": "AAA"} | json.loads(message)
    body |= {"type": "book.snapshot", "u": random.randrange(9), "bids": [[11, 1], [9, 1]], "asks": [[10, 1], [12, 1]]}
    return json.dumps(body | {"ts": body["recv"]}).encode()


def extreme_trade(message: bytes, random: Random) -> bytes:
    price, size = random.choice([5e-324, 1e-300, 9e17]), random.choice([0, 5e-324, 9e17])
    body = {"symbol": "AAA"} | json.loads(message)
    body |= {"type": "trade", "ts": body["recv"], "id": str(random.random()), "side": random.choice(["buy", "sell"])}
    return json.dumps(body | {"price": price, "size": size}).encode()


def extreme_book(message: bytes, random: Random) -> bytes:
    """Readable, with prices and sizes as far apart as they may be."""
    body = {"symbol": "AAA"} | json.loads(message)
    bids = random.choice([[], [[5e-324, 9e17]], [[price / 9, 9e17] for price in range(1, 13)]])
    asks = random.choice([[], [[9e17, 5e-324]], [[price * 1e16, 9e17] for price in range(1, 13)]])
    return json.dumps(body | {"type": "book.snapshot", "ts": body["recv"], "u": 1, "bids": bids, "asks": asks}).encode()


NONSENSE: list[Damage] = [odd_field, odd_field, long_ago, a_bit_ahead, crossed, extreme_trade, extreme_book]
"""After these something may still be read."""
