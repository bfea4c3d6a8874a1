"""The events of a part of a day, as Arrow columns by type, with the offsets at which they stand on the log."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bench.history.walk import LOT, TICK, Book, Ladder, Position, Sides, book, drawn, times
from connectors.archive.columns import to_columns
from connectors.archive.kinds import LEVELS, kind_of
from operators.spans import HOUR, MINUTE, SECOND
from schemas.market import BookDelta, BookSnapshot, Event, Funding, Kline, Tick, Ticker, Trade

SYMBOL = "BTCUSDT"
DELTAS, TRADES, TICKERS = 15.0, 7.0, 4.0
"""Events a second, on the average; with candles, ticks and keyframes about 27."""
LATENCY = 20_000
"""Microseconds from the exchange to us, on the average."""
PERIOD = 8 * HOUR
ORDER: tuple[type[Event], ...] = (Funding, Tick, BookSnapshot, Kline, BookDelta, Trade, Ticker)
"""Which of several events of the same time comes first."""


class Events(NamedTuple):
    """Events of one type in the order of ``recv`` (microseconds); ``columns`` are by field, the symbol left out."""

    recv: np.ndarray
    columns: Mapping[str, pa.Array]


def part(seed: int, position: Position, begin: int, end: int) -> tuple[dict[type[Event], Events], Position]:
    """The events of [begin, end), whole minutes in microseconds UTC, and where the market stands behind them.

    ``offset`` of the new position counts them; the caller gives them their places.
    """
    random = np.random.default_rng([seed, begin // SECOND])
    deltas = book(random, position, begin, end, DELTAS)
    ladder = Ladder(position, deltas)
    found: dict[type[Event], Events] = {Tick: _ticks(begin, end), BookDelta: _deltas(random, deltas, position.u)}
    found[BookSnapshot] = _books(ladder, position, begin, end)
    found[Trade], price, lots = _trades(random, deltas, position, begin, end)
    candles = _candles(found[Trade].recv, price, lots, position, begin, end)
    found[Kline] = _klines(random, candles, begin)
    found[Ticker] = _tickers(random, deltas, position, begin, end)
    found[Funding] = _fundings(seed, begin, end)
    ladder.until(end)
    count = sum(len(events.recv) for events in found.values())
    after = Position(
        ladder.mid,
        *(ladder.levels(sign)[1].tolist() for sign in (-1, 1)),
        u=position.u + len(deltas.recv),
        trade=position.trade + len(price),
        offset=position.offset + count,
        candle=candles[-1],
    )
    return found, after


def places(found: Mapping[type[Event], Events], offset: int) -> dict[type[Event], np.ndarray]:
    """The offset of every event, from ``offset`` on: by time, and where that is the same by type."""
    there = [kind for kind in ORDER if kind in found]
    recv = np.concatenate([found[kind].recv for kind in there])
    places = np.empty(len(recv), dtype=np.int64)
    places[np.argsort(recv, kind="stable")] = offset + np.arange(len(recv))
    borders = np.cumsum([len(found[kind].recv) for kind in there])[:-1]
    return dict(zip(there, np.split(places, borders), strict=True))


def _ticks(begin: int, end: int) -> Events:
    recv = np.arange(begin, end, SECOND)
    return Events(recv, {"recv": pa.array(recv)})


def _sent(random: np.random.Generator, recv: np.ndarray) -> pa.Array:
    """The exchange's time, a moment before ours, in whole milliseconds."""
    return pa.array((recv - random.exponential(LATENCY, len(recv)).astype(np.int64)) // 1_000 * 1_000)


def _levels(side: Sides) -> pa.Array:
    prices, sizes = pa.array(side.ticks / TICK), pa.array(side.lots / LOT)
    pairs = pa.StructArray.from_arrays([prices, sizes], fields=list(LEVELS.value_type))
    return pa.ListArray.from_arrays(pa.array(side.starts.astype(np.int32)), pairs, type=LEVELS)


def _deltas(random: np.random.Generator, deltas: Book, u: int) -> Events:
    count = len(deltas.recv)
    ids = u + 1 + np.arange(count)
    columns = {
        "ts": _sent(random, deltas.recv),
        "recv": pa.array(deltas.recv),
        "u": pa.array(ids),
        "prev": pa.array(ids - 1),
        "bids": _levels(deltas.bids),
        "asks": _levels(deltas.asks),
        "first": pa.array(np.zeros(count, dtype=np.int64)),
    }
    return Events(deltas.recv, columns)


def _books(ladder: Ladder, position: Position, begin: int, end: int) -> Events:
    """A keyframe each minute, as the collector makes them; the very first book is the exchange's own."""
    made = []
    for time in range(begin, end, MINUTE):
        ladder.until(time)
        sides = []
        for ticks, lots in (ladder.levels(-1), ladder.levels(1)):
            there = lots > 0
            sides.append(list(zip((ticks[there] / TICK).tolist(), (lots[there] / LOT).tolist(), strict=True)))
        u = position.u + ladder.applied
        made.append(BookSnapshot(SYMBOL, time, time, u, *sides, keyframe=position.offset > 0 or time > begin))
    return _plain(made)


def _trades(
    random: np.random.Generator, deltas: Book, position: Position, begin: int, end: int
) -> tuple[Events, np.ndarray, np.ndarray]:
    """Trades at the best prices, and now and then some ticks behind; with their prices in ticks and sizes in lots."""
    recv = times(random, begin, end, TRADES, 1.5)
    buys = random.random(len(recv)) < 0.5
    slip = random.geometric(0.7, len(recv)) - 1
    mid = _mid(deltas, position, recv)
    price, lots = np.where(buys, mid + 1 + slip, mid - slip), drawn(random, len(recv))
    columns = {
        "ts": _sent(random, recv),
        "recv": pa.array(recv),
        "id": pa.array(position.trade + 1 + np.arange(len(recv))).cast(pa.string()),
        "side": pa.array(np.where(buys, "buy", "sell"), pa.string()),
        "price": pa.array(price / TICK),
        "size": pa.array(lots / LOT),
        "backfilled": pa.array(np.zeros(len(recv), dtype=bool)),
    }
    return Events(recv, columns), price, lots


def _candles(
    recv: np.ndarray, price: np.ndarray, lots: np.ndarray, position: Position, begin: int, end: int
) -> list[tuple[float, ...]]:
    """Of each minute that ended at or behind ``begin``, up to ``end``: the one before it is known already."""
    made = [position.candle]
    borders = np.searchsorted(recv, np.arange(begin, end + MINUTE, MINUTE))
    for one, other in pairwise(borders):
        if one == other:
            close = made[-1][3] if made[-1] else (position.mid / TICK)
            made.append((close, close, close, close, 0.0))
            continue
        some = price[one:other]
        figures = [float(tick / TICK) for tick in (some[0], some.max(), some.min(), some[-1])]
        made.append((*figures, float(lots[one:other].sum() / LOT)))
    return made


def _klines(random: np.random.Generator, candles: list[tuple[float, ...]], begin: int) -> Events:
    """Each candle some tenths of a second behind its end; that of the part's last minute belongs to the next part."""
    made = []
    for place, candle in enumerate(candles[:-1]):
        ended = begin + place * MINUTE
        recv = ended + int(random.integers(50_000, 400_000))
        if candle:
            made.append(
                Kline(SYMBOL, recv - LATENCY, recv, ended - MINUTE, *candle, candle[3] * candle[4], closed=True)
            )
    return _plain(made)


def _tickers(random: np.random.Generator, deltas: Book, position: Position, begin: int, end: int) -> Events:
    recv = times(random, begin, end, TICKERS, 0.1)
    count, mid = len(recv), _mid(deltas, position, recv)
    drift = random.integers(-5, 6, (2, count))
    volume = 60_000 + np.cumsum(random.normal(0, 0.5, count))
    columns = {
        "ts": _sent(random, recv),
        "recv": pa.array(recv),
        "last": pa.array(mid / TICK),
        "mark": pa.array((mid + drift[0]) / TICK),
        "index": pa.array((mid + drift[1]) / TICK),
        "bid": pa.array(mid / TICK),
        "bid_size": pa.array(drawn(random, count) / LOT),
        "ask": pa.array((mid + 1) / TICK),
        "ask_size": pa.array(drawn(random, count) / LOT),
        "volume_24h": pa.array(volume.round(3)),
        "turnover_24h": pa.array((volume * mid / TICK).round(2)),
        "open_interest": pa.array((50_000 + np.cumsum(random.normal(0, 0.2, count))).round(3)),
        "funding_rate": pa.array(_rates(begin // PERIOD, count)),
        "next_funding": pa.array((recv // PERIOD + 1) * PERIOD),
    }
    return Events(recv, columns)


def _fundings(seed: int, begin: int, end: int) -> Events:
    """What was paid every eight hours."""
    first = -(-begin // PERIOD)
    paid = [number for number in range(first, first + 4) if number * PERIOD < end]
    return _plain([
        Funding(SYMBOL, number * PERIOD, number * PERIOD, float(_rates(number - 1, 1)[0]), settled=True)
        for number in paid
    ])  # fmt: skip


def _rates(period: int, count: int) -> np.ndarray:
    """The rate of a period of eight hours."""
    return np.full(count, np.random.default_rng(period).integers(-10, 31) / 100_000)


def _mid(deltas: Book, position: Position, recv: np.ndarray) -> np.ndarray:
    """The tick of the best bid at these times."""
    known = np.concatenate([[position.mid], deltas.mid])
    return known[np.searchsorted(deltas.recv, recv, side="right")]


def _plain(events: list[Any]) -> Events:
    """Of few events, made one by one."""
    if not events:
        return Events(np.zeros(0, dtype=np.int64), {})
    kind = kind_of(type(events[0]))
    columns = dict(zip(kind.schema.names, to_columns(kind, events), strict=True))
    return Events(np.array([event.recv for event in events], dtype=np.int64), columns)
