"""The files are plain Parquet: pyarrow datasets, DuckDB and pandas read them as they are, and see what was logged."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from schemas.codec import UNREADABLE, decode_event
from tests.archive.made import archive, everything, log_of, records

pytestmark = pytest.mark.req("FS-US-3.1", "FS-FR-002.1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, Any]]]:
    """An archive of two shards, and (offset, event) of every readable record of the first."""
    folder = tmp_path_factory.mktemp("made")
    log = log_of(folder / "log", [records(9, 700), records(2, 60)])
    archive(folder / "archive", log, commits=3, shards=2)
    events = []
    for one in everything(log, 0):
        try:
            events.append((one.offset, decode_event(one.value or b"")))
        except UNREADABLE:
            continue
    return folder / "archive", events


def of(events: list[tuple[int, Any]], kind: str, symbol: str | None) -> list[tuple[int, Any]]:
    return [
        (offset, event)
        for offset, event in events
        if event.__struct_config__.tag == kind and getattr(event, "symbol", None) == symbol
    ]


def test_duckdb_reads_types_dates_and_symbols_as_columns(made: tuple[Path, list[tuple[int, Any]]]) -> None:
    root, events = made
    files = f"read_parquet('{root}/type=*/date=*/symbol=*/*.parquet', hive_partitioning=true, union_by_name=true)"
    found = duckdb.sql(
        f'select type, symbol, count(*), min("offset"), max(recv) from {files} where shard = 0'
        " and type <> 'unreadable' and symbol in ('AAA', 'BBB') group by all order by all"
    ).fetchall()
    wanted = []
    for kind in sorted({event.__struct_config__.tag for _, event in events}):
        for symbol in ("AAA", "BBB"):
            if mine := of(events, kind, symbol):
                wanted.append((kind, symbol, len(mine), mine[0][0], max(event.recv for _, event in mine)))

    assert found == wanted


def test_duckdb_computes_on_prices_and_levels(made: tuple[Path, list[tuple[int, Any]]]) -> None:
    """The volume of the trades, and the best bid of each snapshot, as plain Python has them."""
    root, events = made
    trades, snapshots = (of(events, kind, "AAA") for kind in ("trade", "book.snapshot"))
    files = f"read_parquet('{root}/type=%s/**/*.parquet', hive_partitioning=true)"
    mine = "where symbol = 'AAA' and shard = 0"
    ((volume,),) = duckdb.sql(f"select sum(price * size) from {files % 'trade'} {mine}").fetchall()
    best = duckdb.sql(
        f"select bids[1].price, bids[1].size, len(asks) from {files % 'book.snapshot'}"
        " where symbol = 'AAA' and shard = 0 order by \"offset\""
    ).fetchall()

    assert volume == pytest.approx(sum(event.price * event.size for _, event in trades), rel=1e-12)
    assert best == [(*event.bids[0], len(event.asks)) for _, event in snapshots]


def test_pyarrow_reads_a_type_as_a_dataset(made: tuple[Path, list[tuple[int, Any]]]) -> None:
    """With a filter on the folders and one on the rows."""
    root, events = made
    data = ds.dataset(root / "type=book.delta", partitioning="hive")
    deltas = of(events, "book.delta", "BBB")
    wanted = [(offset, event.u, event.prev) for offset, event in deltas if event.u > 20]
    table = data.to_table(filter=(ds.field("symbol") == "BBB") & (ds.field("u") > 20) & (ds.field("shard") == 0))
    rows = sorted(zip(*(table[name].to_pylist() for name in ("offset", "u", "prev")), strict=True))

    assert len(wanted) > 50
    assert rows == wanted


def test_pandas_reads_a_type(made: tuple[Path, list[tuple[int, Any]]]) -> None:
    root, events = made
    frame = pd.read_parquet(root / "type=trade")
    mine = frame[(frame["symbol"] == "BBB") & (frame["shard"] == 0)].sort_values("offset")
    trades = of(events, "trade", "BBB")

    assert mine["price"].tolist() == [event.price for _, event in trades]
    assert mine["side"].tolist() == [event.side for _, event in trades]
    times = pd.to_datetime(mine["recv"], unit="us", utc=True)
    assert [time.value // 1_000 for time in times] == [event.recv for _, event in trades]
    assert set(frame["date"]) == {"2023-11-14"}


def test_our_own_files_are_no_data(made: tuple[Path, list[tuple[int, Any]]]) -> None:
    """The catalogue, locks and drafts lie in the same root; a dataset over all of it does not stumble over them."""
    root, _ = made
    (root / "_writing" / "somebody").mkdir(parents=True)
    (root / "_writing" / "somebody" / "1.part").write_bytes(b"half a fi")
    files = ds.dataset(root, partitioning="hive").files

    assert len(files) == sum(1 for _ in root.rglob("*.parquet"))
    assert all("/_" not in file.removeprefix(str(root)).replace("symbol=_", "") for file in files)


def test_a_file_says_what_it_is(made: tuple[Path, list[tuple[int, Any]]]) -> None:
    """Zstandard, row groups of a sensible size, and the version of its schema, the same for the same columns."""
    root, _ = made
    versions: dict[str, set[bytes]] = {}
    for path in root.rglob("*.parquet"):
        about = pq.read_metadata(path)
        kind = path.relative_to(root).parts[0].removeprefix("type=")
        assert about.metadata[b"lockstep.type"].decode() == kind
        assert about.metadata[b"lockstep.layout"] == b"1"
        fields = [one.partition(":")[0] for one in json.loads(about.metadata[b"lockstep.fields"])]
        assert about.schema.to_arrow_schema().names[5:] == fields
        group = about.row_group(0)
        assert group.num_rows <= 65_536
        assert {group.column(number).compression for number in range(group.num_columns)} == {"ZSTD"}
        versions.setdefault(kind, set()).add(about.metadata[b"lockstep.schema"])
    assert all(len(found) == 1 for found in versions.values())
    assert len({found.copy().pop() for found in versions.values()}) == len(versions)
