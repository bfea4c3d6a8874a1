"""What stands in columns is what stood on the log: every type, every byte."""

from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive import ArchiveError, parquet
from connectors.archive.columns import to_columns, to_events, to_values
from connectors.archive.kinds import PLACE, UNREADABLE, kinds
from connectors.archive.layout import Place
from connectors.archive.rows import records_of, sorted_out, values_of
from connectors.log import Record
from schemas.codec import encode
from schemas.events import AnyEvent
from schemas.market import BookDelta, Kline, Ticker, Trade
from tests.archive.made import STRANGE, rare, records
from tests.streams import START

prices = st.floats(min_value=0, exclude_min=True, max_value=1e17, allow_nan=False, allow_infinity=False)
sizes = st.floats(min_value=0, max_value=1e17, allow_nan=False, allow_infinity=False) | st.just(-0.0)
levels = st.lists(st.tuples(prices, sizes), max_size=6)
times = st.integers(1, 4_000_000_000_000_000)
optional = st.none() | prices
events = st.one_of(
    st.builds(BookDelta, st.just("AAA"), times, times, st.integers(-1, 2**63 - 1), st.integers(-1, 9), levels, levels),
    st.builds(
        Trade, st.just("AAA"), times, times, st.text(max_size=9), st.sampled_from(["buy", "sell"]), prices, sizes
    ),
    st.builds(Kline, st.just("AAA"), times, times, times, prices, prices, prices, prices, sizes, sizes, st.booleans()),
    st.builds(Ticker, st.just("AAA"), times, times, *[optional] * 10, st.none() | st.just(-0.0), st.none() | times),
)


def as_record(offset: int, value: bytes | None) -> Record:
    return Record(offset, b"AAA", value, START, ())


def through_a_file(folder: Path, found: list[Record]) -> list[Record]:
    """Records as rows, on disk, and back."""
    back: list[Record] = []
    for number, (place, rows) in enumerate(sorted_out(3, found).items()):
        path = folder / f"{number}-{len(list(folder.iterdir()))}.parquet"
        parquet.write(path, place.type, [rows])
        back += records_of(place, pq.read_table(path))
    return sorted(back)


def test_every_type_of_event_has_columns() -> None:
    assert set(kinds()) == {event.__struct_config__.tag for event in get_args(AnyEvent)}
    for kind in kinds().values():
        assert [field.name for field in kind.fields] == [n for n in kind.event.__struct_fields__ if n != "symbol"]


@given(st.lists(events, min_size=1, max_size=20))
@settings(deadline=None, max_examples=40)
def test_any_event_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]) -> None:
    """Through the bytes of the log and a file: minus zero, tiny and huge numbers, texts of every alphabet."""
    found = [as_record(offset, encode(event)) for offset, event in enumerate(drawn)]

    assert through_a_file(tmp_path_factory.mktemp("files"), found) == found


@given(st.lists(events, min_size=1, max_size=20))
@settings(deadline=None, max_examples=40)
def test_columns_hold_the_values(drawn: list[Any]) -> None:
    """The oracle is plain Python: no value is only in the raw bytes."""
    for kind in kinds().values():
        mine = [event for event in drawn if isinstance(event, kind.event)]
        batch = pa.RecordBatch.from_arrays(to_columns(kind, mine), schema=kind.schema)
        rows = batch.to_pylist()
        for event, row in zip(mine, rows, strict=True):
            for field in kind.fields:
                value = getattr(event, field.name)
                if field.form == "levels":
                    value = [{"price": price, "size": size} for price, size in value]
                assert row[field.name] == value

        assert to_events(kind, batch, "AAA") == mine


def test_strange_messages_keep_their_bytes(tmp_path: Path) -> None:
    """Whatever does not come out of the columns is kept as it came, and None is not the empty message."""
    found = [as_record(offset, value) for offset, value in enumerate([*STRANGE, None, b"null"])]

    assert through_a_file(tmp_path, found) == found


def test_what_our_writers_write_needs_no_raw_bytes() -> None:
    """Else the archive would hold everything twice. A default that was written out is the exception: two are here."""
    found = [as_record(at, encode(event)) for at, event in enumerate(rare(START))]
    raw = [value.as_py() for rows in sorted_out(0, found).values() for value in rows.column("raw") if value.is_valid]

    assert len(raw) == 2
    assert any(b'"cash":10000.0' in value for value in raw)
    assert any(b'"turnover":0.0' in value for value in raw)


def test_keys_and_headers_come_back(tmp_path: Path) -> None:
    value = encode(rare(START)[0])
    found = [
        Record(number, key, value, START, headers)
        for number, (key, headers) in enumerate(
            (key, headers) for key in (None, b"", b"AAA", b"\xff") for headers in ((), (("x", b"\x00"), ("x", b"")))
        )
    ]

    assert through_a_file(tmp_path, found) == found


def test_symbols_that_are_no_folders_lie_with_those_of_nobody() -> None:
    names = ["BTCUSDT", "BTC-PERP", "1000PEPE", "../up", "a/b", "", "_", "x" * 65, "a=b", "ü", ".hidden"]
    found = [as_record(at, encode(Trade(name, 5, 5, "1", "buy", 1.5, 2.0))) for at, name in enumerate(names)]
    places = {place: rows.num_rows for place, rows in sorted_out(0, found).items()}

    assert {place.symbol for place in places} == {"BTCUSDT", "BTC-PERP", "1000PEPE", None}
    assert places[Place("trade", "2023-11-14", None)] == len(names) - 3


def test_a_field_that_is_younger_than_the_file_has_its_default(tmp_path: Path) -> None:
    """A file from before ``backfilled`` and ``turnover`` were added still gives the bytes that stood on the log."""
    value = encode(Kline("AAA", 5, 5, 1, 1.0, 2.0, 0.5, 1.5, 3.0, closed=True))
    ((place, rows),) = sorted_out(0, [as_record(0, value)]).items()
    older = pa.table(rows).drop_columns(["backfilled", "turnover"])

    assert values_of(place, older) == [value]
    assert to_values(kinds()["kline"], older, "AAA") == [value]


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """Reading it without its new field would give other bytes than were stored."""
    ((place, rows),) = sorted_out(0, [as_record(0, encode(Trade("AAA", 5, 5, "1", "buy", 1.5, 2.0)))]).items()
    known = parquet.metadata("trade")
    strange = {
        "lockstep.fields": msgspec.json.encode([*msgspec.json.decode(known[b"lockstep.fields"]), "venue:text"]),
        "lockstep.layout": b"2",
        "lockstep.type": b"trade.block",
    }
    for number, (key, value) in enumerate(strange.items()):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table(rows).replace_schema_metadata({**known, key.encode(): value}), path)
        with pytest.raises(ArchiveError, match=r"with the one it is from|with a newer one"):
            parquet.opened(path)
    assert place.type == "trade"


@pytest.mark.req("FS-FR-002.1", "FS-FR-002.2")
def test_every_message_of_a_long_stream_comes_back_by_type(tmp_path: Path) -> None:
    """Rows of one type, day and symbol lie together; nothing is missing, nothing is there twice."""
    found = [
        Record(offset, one.key, one.value, one.timestamp // 1000 * 1000, tuple(one.headers))
        for offset, one in enumerate(records(9, 700))
    ]
    places = sorted_out(0, found)

    assert sum(rows.num_rows for rows in places.values()) == len(found)
    assert {"book.snapshot", "book.delta", "trade", "kline", "ticker", "funding", "order", "gap"} <= {
        place.type for place in places
    }
    assert through_a_file(tmp_path, found) == found
    assert UNREADABLE in {place.type for place in places}
    for rows in places.values():
        assert rows.schema.names[: len(PLACE)] == PLACE.names
        assert np.all(np.diff(rows.column("offset").to_numpy()) > 0)
