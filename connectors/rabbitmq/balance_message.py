"""``ws-gateway.balance``: the wallet, with what is held of each coin."""

from typing import Any

import msgspec

from connectors.peers.times import micros
from connectors.peers.values import number, number_or_none, text
from schemas.account import BalanceEvent

QUEUE = "ws-gateway.balance"


class _Coin(msgspec.Struct):
    coin: str
    wallet: Any = msgspec.field(name="walletBalance")
    available: Any = msgspec.field(name="availableToWithdraw", default=None)
    locked: Any = None


class _Account(msgspec.Struct):
    coin: list[_Coin] = []


class _Payload(msgspec.Struct):
    data: list[_Account]


class _Envelope(msgspec.Struct):
    payload: _Payload
    timestamp: str | None = None
    trace_id: Any = None


_read = msgspec.json.Decoder(_Envelope).decode


def balance_events(body: bytes, recv: int, trace_id: str | None = None) -> list[BalanceEvent]:
    """An event for each coin of a message; where the exchange leaves out what is available, it is the wallet without
    what is locked.

    Raises:
        ValueError: when the message cannot be read.
    """
    envelope = _read(body)
    ts = micros(envelope.timestamp) if envelope.timestamp else recv
    trace = text(envelope.trace_id) or trace_id
    return [
        BalanceEvent(
            coin.coin.upper(),
            ts,
            recv,
            available(coin),
            max(0.0, number(coin.wallet, "walletBalance")),
            trace_id=trace,
            source=QUEUE,
        )
        for account in envelope.payload.data
        for coin in account.coin
    ]


def available(coin: _Coin) -> float:
    """What can be spent of a coin, never below 0."""
    free = number_or_none(coin.available, "availableToWithdraw")
    if free is None:
        free = number(coin.wallet, "walletBalance") - (number_or_none(coin.locked, "locked") or 0.0)
    return max(0.0, free)
