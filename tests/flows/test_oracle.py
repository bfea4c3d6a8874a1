"""Every feature of every vector, made end to end from recordings, against brute force over the decoded events."""

import asyncio
import math
from functools import cached_property
from itertools import count, pairwise
from pathlib import Path

import pandas as pd
import pytest

from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from connectors.replay import RecordedFeed
from dataflows.collect import collect
from operators.features.catalogue import FEATURES as CATALOGUE
from operators.keyframe import Keyframes
from schemas.codec import decode_quality, encode
from schemas.market import AnyMarketEvent, Funding, Kline, Tick, Ticker
from schemas.topics import shard_of
from tests.flows.brute_force import MINUTE, SECOND, Symbol, Value
from tests.flows.made import FEATURES, Made
from tests.flows.told import Told, told
from tests.operators.oracle_trades import close

HANG = 120.0
SHARDS = 2
FILES = {
    "bybit": ["bybit_ws/bybit_v5_linear_spot_20260809.jsonl.gz"],
    "spot": [f"l2/binance_raw/spot_btcusdt_{day}.gz" for day in ("20240808", "20240809")],
    "futures": [f"l2/binance_raw/usdm_btcusdt_{day}.gz" for day in ("20230404", "20230405")],
}
VECTORS = {
    "bybit": {"BTCUSDT": 43, "BTCUSDT-SPOT": 1, "ETHUSDT": 43, "SOLUSDT": 43},
    "spot": {"BTCUSDT": 650},
    "futures": {"BTCUSDT": 514},
}
DELTAS = {"bybit": 1_514, "spot": 6_493, "futures": 16_110}


class Session:
    """What stands on a log, what the flow makes of it, and what it should have made."""

    def __init__(self, name: str, log: SqliteLog) -> None:
        self.name = name
        self.made = Made(log, SHARDS)
        log.close()
        self.shards = [told(enumerate(events)) for events in self.made.events]  # the embedded log leaves no holes
        events = [item.event for shard in self.shards for item in shard]
        self.symbols = sorted({event.symbol for event in events if not isinstance(event, Tick)})

    def shard(self, symbol: str) -> list[Told]:
        return self.shards[shard_of(symbol, SHARDS)]

    @cached_property
    def oracles(self) -> dict[str, Symbol]:
        """The symbols by brute force, not yet asked for anything."""
        return {symbol: Symbol(self.shard(symbol), symbol) for symbol in self.symbols}

    @cached_property
    def differences(self) -> list[tuple[str, int, str, Value, Value]]:
        """(symbol, time, feature, got, wanted), where they are not the same to 1e-9, or one of them is absent."""
        wrong = []
        for symbol, oracle in self.oracles.items():
            for vector in self.made.vectors_of(symbol):
                wanted = oracle.features(vector.ts)
                for name, got in vector.features.items():
                    if not close(got, wanted[name]):
                        wrong.append((symbol, vector.ts, name, got, wanted[name]))
        return wrong


@pytest.fixture(scope="module", params=list(FILES))
def recorded(request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory) -> Session:
    """A recording, collected."""
    log = SqliteLog(tmp_path_factory.mktemp(request.param))
    feed = RecordedFeed([shared_data / file for file in FILES[request.param]])
    summary = asyncio.run(asyncio.wait_for(collect(feed, log, SHARDS, enrich=Keyframes().feed), HANG))
    assert (summary.bad, summary.dropped) == ({}, 0)
    return Session(request.param, log)


@pytest.fixture(scope="module")
def imported(shared_data: Path, tmp_path_factory) -> Session:
    """Candles and settlements of histories, each at the moment when it was known."""
    klines = shared_data / "klines"
    liquid = candles(klines / "binance_usdm_1m/BTCUSDT_1m_20250525.csv.gz", "BTCUSDT", 0, before=0, live=300)
    quiet = candles(klines / "binance_vision_1m/FILUSDT-1m-2023-09.csv.gz", "FILUSDT", 1_000, before=1_400, live=500)
    paid = settlements(shared_data / "funding/bybit_BTCUSDT_202509_202607.csv", "XBTUSDT", missing=6)
    log = SqliteLog(tmp_path_factory.mktemp("imported"))
    append(log, [*liquid, *quiet, *paid])
    return Session("imported", log)


def candles(file: Path, symbol: str, first: int, before: int, live: int) -> list[AnyMarketEvent]:
    """Closed candles from row ``first`` on: ``before`` as history, then ``live`` ones, some late, with a ticker between
    them and for three minutes after the last."""
    frame = pd.read_csv(file).iloc[first : first + before + live]
    starts = frame["ts_ms" if "ts_ms" in frame else "open_time"] * 1_000
    prices = frame[["open", "high", "low", "close", "volume"]].astype(float)
    events: list[AnyMarketEvent] = [Tick(int(starts.iloc[0]) + MINUTE)]
    for number, start, row in zip(count(), starts, prices.itertuples(index=False), strict=False):
        end, history = int(start) + MINUTE, number < before
        known = end if history or number % 7 else end + 20 * SECOND
        events += [Tick(end), Kline(symbol, end, known, int(start), *row, closed=True, backfilled=history)]
        if not history:
            events.append(Ticker(symbol, end, end + MINUTE // 2, last=row.close))
    after = [Ticker(symbol, end, at) for at in range(end + MINUTE, end + 4 * MINUTE, MINUTE // 2)]
    return [*events, *after, Tick(end + 5 * MINUTE)]


def settlements(file: Path, symbol: str, missing: int) -> list[AnyMarketEvent]:
    """Twelve settlements, one of which was not reported; the market is silent between them."""
    events: list[AnyMarketEvent] = []
    for number, row in enumerate(pd.read_csv(file, nrows=12).itertuples()):
        at = row.ts_ms * 1_000
        reported = [] if number == missing else [Funding(symbol, at, at, row.funding_rate, settled=True)]
        events += [Tick(at), *reported, Tick(at + 2 * MINUTE)]
    return events


def append(log: SqliteLog, events: list[AnyMarketEvent]) -> None:
    """Put events, in the order of their times, on the shards of their symbols; ticks on every shard."""
    log.create("events", SHARDS)
    log.create("dead-letters", SHARDS)
    for shard in range(SHARDS):
        mine = [e for e in events if isinstance(e, Tick) or shard_of(e.symbol, SHARDS) == shard]
        mine.sort(key=lambda event: event.recv)
        log.append("events", shard, [NewRecord(None, encode(event), event.recv) for event in mine])


@pytest.mark.req("FS-FR-003.2", "FS-FR-003.3", "FS-FR-003.4", "FS-FR-003.5", "FS-FR-003.6", "FS-FR-056", "FS-SC-006")
def test_every_feature_of_every_vector_equals_brute_force(recorded: Session) -> None:
    """On the venues' own frames, collected, read back, and fed to the engine with every feature there is."""
    assert recorded.differences == []


@pytest.mark.req("FS-FR-003.1", "FS-US-1.3")
def test_each_symbol_has_one_whole_vector_for_each_second(recorded: Session) -> None:
    """From its first event to the end of the recording: no hole, every name, and the intervals that end there."""
    assert {s: len(recorded.made.vectors_of(s)) for s in recorded.symbols} == VECTORS[recorded.name]
    for symbol in recorded.symbols:
        vectors = recorded.made.vectors_of(symbol)
        assert [vector.ts for vector in vectors] == recorded.oracles[symbol].seconds()
        assert {later.ts - vector.ts for vector, later in pairwise(vectors)} <= {SECOND}
        for vector in vectors:
            assert list(vector.features) == list(FEATURES.names)
            assert vector.closes == closes(vector.ts)


def closes(t: int) -> list[str]:
    """Told by how long after a whole UTC minute ``t`` lies."""
    seconds = pd.Timestamp(t, unit="us").second
    assert t % SECOND == 0
    every_fifteen = ["15s"] if seconds in (0, 15, 30, 45) else []
    return ["1s", *(["3s"] if seconds in range(0, 60, 3) else []), *every_fifteen, *(["1m"] if seconds == 0 else [])]


@pytest.mark.req("FS-FR-012", "FS-SC-003")
def test_each_vector_comes_out_with_the_first_event_after_its_second(recorded: Session) -> None:
    """Its origin is that event: nothing that was received later can be in it."""
    for symbol in recorded.symbols:
        shard = recorded.shard(symbol)
        for vector in recorded.made.vectors_of(symbol):
            cause = next(item for item in shard if item.event.recv > vector.ts)
            assert (vector.recv, vector.origin.offset) == (cause.event.recv, cause.offset)


OF_TIMES_AND_PRICES = {"trade.spike", "clock.skew", "channel.stale", "channel.heard"}
"""What real recordings hold of what the quality stage looks for; none of it is a loss."""


def problems(session: Session) -> set[str]:
    """What was reported beside vectors and minutes."""
    others = [output for output in session.made.outputs if output.topic not in ("features", "quality-minutes")]
    return {decode_quality(output.value).problem for output in others}


@pytest.mark.req("FS-FR-001.3")
def test_the_books_of_the_recordings_have_no_gap_and_never_cross(recorded: Session) -> None:
    """The brute-force book asserts both at every delta; the flow sees it so too, and has nothing to report."""
    assert recorded.differences == []
    books = [oracle.book for oracle in recorded.oracles.values()]
    for book in books:
        book.until(book.changes[-1].clock)
    assert sum(book.deltas for book in books) == DELTAS[recorded.name]
    assert problems(recorded) <= OF_TIMES_AND_PRICES
    for vector in recorded.made.vectors:
        assert vector.features["spread_abs"] > 0
        assert (vector.tainted, vector.taint) == (False, [])
        assert all(value is None or math.isfinite(value) for value in vector.features.values())


@pytest.mark.req("FS-FR-003.2", "FS-FR-003.5", "FS-FR-008")
def test_every_feature_equals_brute_force_on_imported_histories(imported: Session) -> None:
    """A day and more of candles, and settlements with one missing: features appear when their look-back is covered."""
    assert imported.differences == []
    assert problems(imported) <= OF_TIMES_AND_PRICES
    seen = {name for vector in imported.made.vectors for name, value in vector.features.items() if value is not None}
    of_candles = {name for name, feature in CATALOGUE.items() if feature.formula.rhythm == "candle"}
    assert {"funding_rate_ma_3", "funding_rate_change", "funding_rate_settled"} | of_candles <= seen
    for symbol in imported.symbols:
        assert [vector.ts for vector in imported.made.vectors_of(symbol)] == imported.oracles[symbol].seconds()
