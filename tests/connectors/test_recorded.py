"""Recorded sessions: every format, damaged files, folders, snapshots without a time."""

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.frames import Frame
from connectors.recorded import Recording, RecordingError, describe, read_frames
from connectors.recorded.detect import detect
from connectors.recorded.recording import stamped
from connectors.venues import parser_for

SECOND = 1_700_000_000
BYBIT = json.dumps({"topic": "tickers.X", "ts": SECOND * 1000})
BINANCE = json.dumps({"e": "trade", "E": SECOND * 1000, "s": "X"})
LINEAR = "wss://stream.bybit.com/v5/public/linear"


def wrapped(conn: str, ts: float, data: str = BYBIT, **more: Any) -> str:
    return json.dumps({"t": "recv", "conn": conn, "ts": ts, "data": data} | more)


def opened(conn: str, address: str) -> str:
    return json.dumps({"t": "connect", "conn": conn, "ts": SECOND, "addr": address})


def write(path: Path, *lines: str | bytes, end: str = "\n") -> Path:
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + end.encode() for line in lines))
    return path


def test_wrapped_lines_name_their_connections_by_address(tmp_path: Path) -> None:
    """What was sent is no frame; a second connection of a market gets a number; times become microseconds."""
    path = write(
        tmp_path / "session.jsonl",
        json.dumps({"t": "header", "exchange": "BYBIT", "config": {"x": 1}}),
        opened("BYBIT.ws.2", LINEAR),
        opened("BYBIT.ws.3", LINEAR.replace("linear", "spot")),
        opened("BYBIT.ws.4", LINEAR),
        wrapped("BYBIT.ws.2", SECOND + 0.25, "sent", t="send"),
        wrapped("BYBIT.ws.2", SECOND + 0.500001),
        wrapped("BYBIT.ws.3", SECOND + 0.75, BYBIT + "\n"),
        wrapped("BYBIT.ws.4", SECOND + 1),
    )

    assert list(read_frames(path)) == [
        Frame("bybit", "linear", SECOND * 1_000_000 + 500_001, BYBIT.encode()),
        Frame("bybit", "spot", SECOND * 1_000_000 + 750_000, BYBIT.encode() + b"\n"),
        Frame("bybit", "linear/2", SECOND * 1_000_000 + 1_000_000, BYBIT.encode()),
    ]


def test_a_connection_without_an_address_is_not_guessed(tmp_path: Path) -> None:
    """Spot frames taken for linear ones would mix two prices, so the line goes on whole, to be reported."""
    line = wrapped("BYBIT.ws.9", SECOND)
    path = write(tmp_path / "session.jsonl", opened("BYBIT.ws.2", LINEAR), wrapped("BYBIT.ws.2", SECOND), line)
    *_, last = read_frames(path)

    assert last.data == line.encode()
    assert parser_for("bybit").parse(last).bad


def test_binance_sessions_bring_their_rest_snapshots(tmp_path: Path) -> None:
    """The symbol stands in the address that was asked."""
    answer = '{"lastUpdateId":7,"bids":[["1","2"]],"asks":[]}'
    url = "https://api.binance.com/api/v3/depth?symbol=NKNUSDT&limit=1000"
    path = write(
        tmp_path / "session.jsonl",
        opened("BINANCE.ws.1", "wss://stream.binance.com:9443/stream?streams=x"),
        wrapped("BINANCE.http.0", SECOND, answer, t="http", url=url),
        wrapped("BINANCE.http.0", SECOND, "{}", t="http", url="https://api.binance.com/api/v3/exchangeInfo"),
        wrapped("BINANCE.ws.1", SECOND, BINANCE),
    )
    snapshot, other = read_frames(path)

    assert snapshot.conn == other.conn == "spot"
    assert parser_for("binance").parse(snapshot).events[0].symbol == "NKNUSDT"


def test_addressed_lines(tmp_path: Path) -> None:
    """``<-`` was sent, ``<->`` opened a connection."""
    path = write(
        tmp_path / "raw.txt",
        f"{LINEAR} <-> {SECOND}.5",
        f'{LINEAR} <- {SECOND}.6: {{"op":"subscribe"}}',
        f"{SECOND}.75: {BYBIT}",
    )

    assert list(read_frames(path)) == [Frame("bybit", "linear", SECOND * 1_000_000 + 750_000, BYBIT.encode())]


@pytest.mark.parametrize(("time", "micros"), [("000", 0), ("000001", 1), ("000001999", 1)])
def test_timed_lines_in_milli_micro_and_nanoseconds(time: str, micros: int, tmp_path: Path) -> None:
    """Told by the number of digits; the file's name tells market and symbol."""
    path = write(
        tmp_path / "usdm_btcusdt_20240718", f"{SECOND}{time} {BINANCE}", f'{SECOND}{time} {{"lastUpdateId":1}}'
    )

    assert list(read_frames(path)) == [
        Frame("binance", "usdm", SECOND * 1_000_000 + micros, BINANCE.encode()),
        Frame(
            "binance",
            "usdm",
            SECOND * 1_000_000 + micros,
            b'{"stream":"btcusdt@depth@rest","data":{"lastUpdateId":1}}',
        ),
    ]


def test_bare_frames_are_received_when_they_were_sent(tmp_path: Path) -> None:
    """A reply has no time: it gets that of the frame before, or at the start that of the first one."""
    reply = '{"success":true,"op":"subscribe"}'
    path = write(tmp_path / "bybit_spot_x.jsonl", reply, BYBIT, reply)

    assert [(frame.conn, frame.recv) for frame in read_frames(path)] == [("spot", SECOND * 1_000_000)] * 3


def test_plain_and_packed_files_read_alike(shared_data: Path, tmp_path: Path) -> None:
    """Gzip is seen from the bytes, not from the name; several members are one file."""
    source = shared_data / "bybit_ws" / "bybit_v5_linear_orderbook1_20250613.txt.gz"
    whole = gzip.decompress(source.read_bytes())
    half = whole.index(b"\n", len(whole) // 2) + 1
    plain = tmp_path / "plain.gz"
    plain.write_bytes(whole)
    members = tmp_path / "members"
    members.write_bytes(gzip.compress(whole[:half]) + gzip.compress(whole[half:]))

    frames = list(read_frames(source))
    assert len(frames) == 202
    assert list(read_frames(plain)) == frames
    assert list(read_frames(members)) == frames


def test_a_last_line_without_an_end_is_a_line(tmp_path: Path) -> None:
    """A recorder that was killed leaves one."""
    path = write(tmp_path / "raw.jsonl", BYBIT + "\n" + BYBIT, end="")

    assert [frame.data for frame in read_frames(path)] == [BYBIT.encode()] * 2


def test_a_gzip_file_that_is_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    """Its whole lines come as ever, the last piece as a frame to be reported, and the loss is told."""
    lines = [f'{SECOND + n}.5: {BYBIT[:-1]}, "n": {n * 7919 % 1000}}}' for n in range(2000)]
    packed = gzip.compress("\n".join(lines).encode())
    path = tmp_path / "cut.gz"
    path.write_bytes(packed[: len(packed) // 2])
    recording = Recording(path)
    frames = list(recording)

    assert 500 < len(frames) < 1500
    assert [frame.data.decode() for frame in frames[:-1]] == [
        line.partition(": ")[2] for line in lines[: len(frames) - 1]
    ]
    assert recording.problems == [f"{path}: the gzip file ends in the middle; what follows is lost"]


def test_a_gzip_file_that_is_damaged_is_read_up_to_there(tmp_path: Path) -> None:
    """One flipped byte in the middle costs what follows, and not what came before."""
    lines = [f'{SECOND + n}.5: {BYBIT[:-1]}, "n": {n * 7919 % 1000}}}' for n in range(2000)]
    packed = bytearray(gzip.compress("\n".join(lines).encode()))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    path = tmp_path / "damaged.gz"
    path.write_bytes(packed)
    recording = Recording(path)
    frames = list(recording)

    assert len(frames) > 500
    assert [frame.data.decode() for frame in frames[:500]] == [line.partition(": ")[2] for line in lines[:500]]
    assert "damaged gzip" in recording.problems[0]


@pytest.mark.parametrize(
    "good",
    [
        (opened("BYBIT.ws.2", LINEAR), wrapped("BYBIT.ws.2", SECOND)),
        (f"{LINEAR} <-> {SECOND}", f"{SECOND}.5: {BYBIT}"),
        ("", f"{SECOND}000001 {BINANCE}"),
        ("", BYBIT),
    ],
    ids=["wrapped", "addressed", "timed", "bare"],
)
@given(junk=st.lists(st.binary(min_size=1, max_size=40).map(lambda line: line.replace(b"\n", b" ")), max_size=5))
def test_no_line_is_lost_and_none_raises(good: tuple[str, str], junk: list[bytes], tmp_path_factory: Any) -> None:
    """Damaged lines between good ones: one frame a line, in order, with a receive time; the good ones as they were."""
    first, line = good
    path = tmp_path_factory.mktemp("junk") / "session"
    clean = list(read_frames(write(path, first, line, line)))
    write(path, first, line, *junk, line)
    frames = list(read_frames(path))
    shown = [piece for piece in map(bytes.strip, junk) if piece]

    assert [frames[0], frames[-1]] == clean
    assert [frame.data for frame in frames[1:-1]] == shown
    assert len(frames) == len(shown) + 2
    assert {frame.recv for frame in frames} == {clean[0].recv}


def test_several_files_are_merged_by_receive_time(tmp_path: Path) -> None:
    """Frames received together keep the order of the files."""
    one = write(tmp_path / "a.txt", *(f"{SECOND + n}: {BYBIT}" for n in (1, 3, 5)))
    two = write(tmp_path / "b.txt", *(f"{SECOND + n}: {BINANCE}" for n in (2, 3, 4)))
    expected = [("bybit", 1), ("binance", 2), ("bybit", 3), ("binance", 3), ("binance", 4), ("bybit", 5)]

    for source in (tmp_path, [one, two], f"{one},{two}"):
        assert [(frame.venue, frame.recv // 1_000_000 - SECOND) for frame in read_frames(source)] == expected


def test_a_recording_can_be_read_twice(shared_data: Path) -> None:
    """Each reading starts anew."""
    recording = Recording(shared_data / "bybit_ws" / "bybit_v5_linear_spot_20260809.jsonl.gz")

    assert list(recording) == list(recording)


def test_a_snapshot_without_a_time_stands_before_the_delta_that_passes_it(tmp_path: Path) -> None:
    """That is the first moment at which it adds nothing that is not known yet."""
    depth = [
        json.dumps(
            {
                "e": "depthUpdate",
                "E": (SECOND + n) * 1000,
                "s": "X1",
                "U": n * 10 + 1,
                "u": n * 10 + 10,
                "b": [],
                "a": [],
            }
        )
        for n in range(3)
    ]
    write(tmp_path / "depth.jsonl", *depth)
    write(tmp_path / "early.json", '{"lastUpdateId": 10, "bids": [], "asks": []}')
    write(tmp_path / "late.json", '{"lastUpdateId": 99, "bids": [], "asks": []}')
    recording = Recording(tmp_path)
    frames = list(recording)

    assert [b"lastUpdateId" in frame.data for frame in frames] == [False, True, False, False]
    assert frames[1].recv == frames[2].recv == (SECOND + 1) * 1_000_000
    assert recording.problems == [f"{tmp_path / 'late.json'}: no delta reaches beyond it, so it was left out"]


def test_the_recorded_pairs_are_one_stream(shared_data: Path) -> None:
    """Receive times never fall, across midnight too, and every line of both files is there."""
    folder = shared_data / "l2" / "binance_raw"
    recvs = [
        frame.recv for frame in read_frames([folder / f"usdm_btcusdt_{day}.gz" for day in ("20230404", "20230405")])
    ]

    assert len(recvs) == 13_384 + 60_381
    assert all(a <= b for a, b in pairwise(recvs))


def test_what_holds_both_markets_of_a_symbol_is_not_read(shared_data: Path) -> None:
    """Spot and futures books under one name would be one wrong book."""
    with pytest.raises(RecordingError, match="recordings of BTCUSDT on spot and on usdm; name files of one market"):
        Recording(shared_data / "l2" / "binance_raw")


@pytest.mark.parametrize("venue", ["KRAKEN", "COINBASE", "DERIBIT", "OKX", "KUCOIN"])
def test_a_venue_without_a_parser_is_named(venue: str, shared_data: Path) -> None:
    """At once, with the file and with what can be read."""
    path = shared_data / "l2" / "other_exchanges_raw_ws" / f"{venue}.jsonl.gz"

    with pytest.raises(RecordingError, match=f"{venue}.jsonl.gz: recorded from '{venue}', a venue without a parser"):
        read_frames(path)


def test_what_cannot_be_read_at_all_says_so_at_once(tmp_path: Path) -> None:
    """No file, an empty one, one in another format, an empty folder."""
    with pytest.raises(RecordingError, match="no such file or folder"):
        read_frames(tmp_path / "nothing")
    with pytest.raises(RecordingError, match="no files in it"):
        read_frames(tmp_path)
    with pytest.raises(RecordingError, match=r"prices\.csv: unknown format, it begins b'time,open'"):
        read_frames(write(tmp_path / "prices.csv", "time,open", "1,2"))
    with pytest.raises(RecordingError, match="empty"):
        read_frames(write(tmp_path / "prices.csv", ""))


def test_a_description_says_what_is_in_it(shared_data: Path) -> None:
    """Formats, frames, span, symbols, and events by type."""
    path = shared_data / "bybit_ws" / "bybit_v5_linear_spot_20260809.jsonl.gz"
    told = describe(path)

    assert told.files == {str(path): "wrapped (bybit)"}
    assert (told.frames, told.bad, told.problems) == (2347, 0, [])
    assert (told.first, told.last) == (1_786_310_819_526_044, 1_786_310_862_023_875)
    assert told.symbols == ["BTCUSDT", "BTCUSDT-SPOT", "ETHUSDT", "SOLUSDT"]
    assert told.events == {"ticker": 635, "book.snapshot": 4, "book.delta": 1514, "kline": 77, "trade": 255}


def test_stamps_hold_where_no_line_has_a_time(tmp_path: Path) -> None:
    """Replies alone: they are read, at time 0."""
    path = write(tmp_path / "replies.jsonl", '{"success":true,"op":"subscribe"}')

    assert [frame.recv for frame in stamped(detect(path), [b'{"success":true}', b"x"])] == [0, 0]
