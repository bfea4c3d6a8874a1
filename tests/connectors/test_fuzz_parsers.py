"""Hostile bytes: the parsers never raise, report what is bad, and what is good stays as it was."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.frames import Frame, Parsed
from connectors.recorded import read_frames
from connectors.validate import check
from connectors.venues import PARSERS, parser_for
from schemas.codec import decode_event, encode
from schemas.market import BookDelta

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
RECV = 1_700_000_000_500_000
VENUES = st.sampled_from(sorted(PARSERS))
MESSAGES = st.sampled_from(sorted(set(PARSERS) - {"csv"}))
"""Venues that send JSON: a row that was cut off may still be one."""


def load_seeds() -> dict[str, list[bytes]]:
    spec = spec_from_file_location("seeds", FUZZ / "seeds.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.seeds()


ROWS = [b"1725785940000,0.3355,0.336,0.3355,0.336,59868.0,20102.7536", b"1725785940000,1,2,0.5,1.5,10"]
SEEDS = load_seeds() | {"csv": ROWS}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "NaN", "-1", "1e999", "Infinity", "0", "\u0661", "1_0", " 1", 2**64, -1, 10**40]),
)
JUNK = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


def frame(venue: str, data: bytes, conn: str = "linear") -> Frame:
    return Frame(venue, conn, RECV, data)


def is_sound(parsed: Parsed, data: bytes) -> bool:
    """Every event survives the log, every bad part shows its bytes and a reason, and something came of the frame."""
    return all(decode_event(encode(event)) == event for event in parsed.events) and all(
        bad.reason and bad.raw in data for bad in parsed.bad
    )


@st.composite
def mutated(draw: Any, data: bytes) -> bytes:
    """A frame cut off, with bytes changed, taken out or put in."""
    piece = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(piece) - 1, 0)))
        match draw(st.sampled_from(["cut", "change", "remove", "insert", "repeat"])):
            case "cut":
                del piece[at:]
            case "change" if piece:
                piece[at] = draw(st.integers(0, 255))
            case "remove":
                del piece[at : at + draw(st.integers(1, 9))]
            case "insert":
                piece[at:at] = draw(st.binary(max_size=4))
            case "repeat":
                piece[at:at] = piece[at : at + draw(st.integers(1, 30))]
    return bytes(piece)


def replaced(value: Any, path: list[int], junk: Any) -> Any:
    """The message with one value, found along ``path``, exchanged for ``junk``, or gone where ``junk`` is ``...``."""
    if not path or not isinstance(value, dict | list) or not value:
        return junk if junk is not ... else None
    step = path[0] % len(value)
    key = sorted(value)[step] if isinstance(value, dict) else step
    changed = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and junk is ...:
        del changed[key]
    else:
        changed[key] = replaced(value[key], path[1:], junk)
    return changed


@given(venue=VENUES, data=st.binary(max_size=200))
def test_random_bytes_are_refused(venue: str, data: bytes) -> None:
    """Nothing that is not a message becomes one."""
    parsed = parser_for(venue).parse(frame(venue, data))

    assert parsed.events == []
    assert is_sound(parsed, data)


@given(venue=VENUES, data=st.data())
def test_garbled_frames_never_raise(venue: str, data: Any) -> None:
    """Cut off, flipped, repeated: an event that still comes out survives the log."""
    parser = parser_for(venue)
    for seed in data.draw(st.lists(st.sampled_from(SEEDS[venue]), max_size=5)):
        garbled = data.draw(mutated(seed))
        parsed = parser.parse(frame(venue, garbled))

        assert is_sound(parsed, garbled)
        for event in parsed.events:
            check(event, RECV)


@given(
    venue=MESSAGES, path=st.lists(st.integers(0, 9), min_size=1, max_size=5), junk=JUNK | st.just(...), data=st.data()
)
def test_wrong_types_never_raise(venue: str, path: list[int], junk: Any, data: Any) -> None:
    """Valid JSON with one value exchanged for another type, or missing."""
    seed = json.loads(data.draw(st.sampled_from(SEEDS[venue])))
    garbled = json.dumps(replaced(seed, path, junk)).encode()

    assert is_sound(parser_for(venue).parse(frame(venue, garbled)), garbled)


@given(venue=MESSAGES, data=st.data())
def test_bad_frames_leave_the_good_ones_alone(venue: str, data: Any) -> None:
    """Cut-off frames between good ones: each is reported once, and the good events are those of a clean stream."""
    good = data.draw(st.lists(st.sampled_from(SEEDS[venue]), min_size=1, max_size=8))
    clean, disturbed = parser_for(venue), parser_for(venue)
    expected, events = [], []
    for seed in good:
        expected.append(clean.parse(frame(venue, seed)))
        if data.draw(st.booleans()):
            cut = data.draw(st.integers(0, len(seed) - 1))
            parsed = disturbed.parse(frame(venue, seed[:cut]))
            assert parsed.events == [] and len(parsed.bad) == 1
        events.append(disturbed.parse(frame(venue, seed)))

    assert events == expected


@pytest.mark.parametrize("name", ["bybit_v5_linear_spot_20260809.jsonl.gz"])
def test_a_real_session_with_every_tenth_frame_cut(name: str, shared_data: Path) -> None:
    """Every cut frame is reported; all other events but ticker deltas, which build on one another, are as before."""
    clean, disturbed = parser_for("bybit"), parser_for("bybit")
    refused = 0
    for number, received in enumerate(read_frames(shared_data / "bybit_ws" / name)):
        expected = clean.parse(received)
        if number % 10 == 9:
            parsed = disturbed.parse(received._replace(data=received.data.rstrip()[: -1 - number % 7]))
            refused += len(parsed.bad)
            assert not parsed.events
        elif b'"tickers.' not in received.data:
            assert disturbed.parse(received) == expected
    assert refused == 234


@given(order=st.lists(st.integers(2, 9), max_size=12))
def test_reordered_and_repeated_book_frames_keep_their_ids(order: list[int]) -> None:
    """The parser passes them on as they came: from ``u`` and ``prev`` a book sees what is stale and what is missing."""
    parser = parser_for("bybit")
    template = json.loads(SEEDS["bybit"][1])
    frames = [json.dumps(template | {"data": template["data"] | {"u": u}}).encode() for u in order]
    events = [event for data in frames for event in parser.parse(frame("bybit", data)).events]

    assert [(event.u, event.prev) for event in events if isinstance(event, BookDelta)] == [(u, u - 1) for u in order]


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("atheris"), reason="atheris is not installed on this platform")
def test_coverage_guided_fuzzing_finds_nothing(tmp_path: Path) -> None:
    """A bounded run; the input that broke a parser would be in the output."""
    command = [sys.executable, str(FUZZ / "fuzz_parsers.py"), "-runs=20000", "-max_total_time=20", "-seed=1"]
    path = os.pathsep.join([str(FUZZ.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
