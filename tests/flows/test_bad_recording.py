"""A damaged recording, collected: what is bad becomes dead letters, one by one; the rest is as if it were not there.

The frames are real ones of Bybit; lines of the file, or the frames in them, are broken in all kinds of ways.
"""

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.collector import Summary
from connectors.replay import RecordedFeed
from dataflows.collect import collect
from schemas.codec import decode_dead_letter
from schemas.dead import DeadLetter
from tests.connectors.memory_log import MemoryLog

HANG = 60.0
SHARDS = 2
LINES = 900
FIRST = 60
"""The lines before show the format."""


@cache
def recorded(shared_data: Path) -> list[bytes]:
    """The first lines of a recording."""
    file = shared_data / "bybit_ws/bybit_v5_linear_spot_20260809.jsonl.gz"
    return gzip.decompress(file.read_bytes()).splitlines()[:LINES]


def frame_of(line: bytes) -> str:
    return json.loads(line)["data"]


def can_break(line: bytes) -> bool:
    """A market frame that is nobody's first word, and no list of several things that are refused one by one."""
    said = json.loads(line)
    frame = said["data"] if said["t"] == "recv" else ""
    snapshots = "orderbook", "tickers"
    first_word = '"type":"snapshot"' in frame and any(f'"topic":"{name}' in frame for name in snapshots)
    several = frame.count('"T":') > 1 or frame.count('"start":') > 1
    return '"topic"' in frame and not first_word and not several


def truncated(frame: str, random: Random) -> str:
    return frame[: random.randrange(len(frame.strip()))]


def no_message(frame: str, random: Random) -> str:
    return random.choice(
        ["", "null", "[]", "1", '"x"', "\x00", frame * 2, "[" * 50_000, '{"a":' * 50_000, "x" * 900_000]
    )


def bad_time(frame: str, random: Random) -> str:
    time = random.choice(["NaN", "Infinity", "-1", "0", "null", '"x"', "[]", "1e30", "4102444800000", str(10**30)])
    return re.sub(r'"ts":\d+', f'"ts":{time}', frame)


def bad_topic(frame: str, random: Random) -> str:
    topic = random.choice(["", "orderbok.50.BTCUSDT", "orderbook.51.BTCUSDT", "tickers", "kline.1.\u0131", "x" * 9_999])
    return re.sub(r'"topic":"[^"]*"', f'"topic":"{topic}"', frame)


def bad_data(frame: str, random: Random) -> str:
    data = random.choice(["null", "5", '"x"', "{}", '{"s":"BTCUSDT"}'])
    return re.sub(r'"data":.*', f'"data":{data}}}', frame, flags=re.DOTALL)


def bad_symbol(frame: str, random: Random) -> str:
    """Not that of the topic."""
    topic = json.loads(frame)["topic"].rsplit(".", 1)[0]
    return re.sub(r'"topic":"[^"]*"', f'"topic":"{topic}.{random.choice(["XRPUSDT", "x", ""])}"', frame)


def bad_number(frame: str, random: Random) -> str:
    """A price, a size or an update id that cannot be."""
    number = random.choice(["NaN", "-1", "inf", "1e999", "1e30", "x", "0x1", " "])
    level = random.choice([f'["{number}","1"]', f'["1","{number}"]', '["0","1"]', "[null,1]", '["1"]', '["1","1","1"]'])
    u = random.choice(["-1", "1e40", "null", '"x"', str(2**63), str(10**30)])
    if '"topic":"orderbook' in frame:
        change = random.choice(
            [(r'"b":\[(?=\[)', f'"b":[{level},'), (r'"a":\[(?=\[)', f'"a":[{level},'), (r'"u":\d+', f'"u":{u}')]
        )
        broken = re.sub(*change, frame)
        return broken if broken != frame else re.sub(r'"u":\d+', f'"u":{u}', frame)
    field = {"publicTrade": "p", "kline": "close", "tickers": "symbol"}[json.loads(frame)["topic"].split(".")[0]]
    return re.sub(rf'"{field}":"[^"]*"', f'"{field}":"{number}"', frame)


BREAK: list[Callable[[str, Random], str]] = [
    truncated, no_message, bad_time, bad_topic, bad_data, bad_symbol, bad_number
]  # fmt: skip


def broken(line: bytes, how: Callable[[str, Random], str] | None, random: Random) -> tuple[bytes, bytes]:
    """The line as it stands in the file then, and the bytes that the dead letter must hold: of a list the element."""
    if how is None:
        cut = random.randrange(1, len(line))
        bad = random.choice([line[:cut].strip(), line[:cut] + b"\xff" + line[cut:], b"\x1f\x8b junk", b"{}"])
        return bad, bad
    frame = how(frame_of(line), random)
    element = frame[frame.index("[") + 1 : frame.rindex("]")] if how is bad_number and '"data":[' in frame else frame
    return json.dumps(json.loads(line) | {"data": frame}).encode(), element.encode()


def collected(lines: list[bytes], folder: Path) -> tuple[Summary, MemoryLog]:
    file, log = folder / "session.jsonl", MemoryLog()
    file.write_bytes(b"\n".join(lines))
    return asyncio.run(asyncio.wait_for(collect(RecordedFeed(file), log, SHARDS), HANG)), log


def records(log: MemoryLog, topic: str) -> list[bytes]:
    return [record.value for shard in range(SHARDS) for record in log.records[topic, shard]]


def letters(log: MemoryLog) -> list[DeadLetter]:
    return [decode_dead_letter(value) for value in records(log, "dead-letters")]


@given(st.integers(0, 2**32), st.lists(st.sampled_from([*BREAK, None]), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
@pytest.mark.req("FS-EC-01")
def test_every_broken_frame_is_one_dead_letter_and_all_others_are_collected(shared_data, tmp_path_factory, seed, ways):
    """The numbers add up, and the events are those of a recording without the broken lines."""
    random, lines = Random(seed), recorded(shared_data)
    breakable = [number for number, line in enumerate(lines[:-1]) if number > FIRST and can_break(line)]
    chosen = sorted(random.sample(breakable, len(ways)))
    bad = {number: broken(lines[number], how, random) for number, how in zip(chosen, ways, strict=True)}
    folder = tmp_path_factory.mktemp("damaged")
    summary, log = collected([bad[i][0] if i in bad else line for i, line in enumerate(lines)], folder)
    without, clean = collected([line for i, line in enumerate(lines) if i not in bad], folder)

    assert sorted(letter.raw for letter in letters(log)) == sorted(raw[: 256 * 1024] for _, raw in bad.values())
    assert sum(summary.bad.values()) == len(bad)
    assert (summary.frames, summary.dropped) == (without.frames + len(bad), 0)
    assert (letters(clean), without.bad) == ([], {})
    assert summary.events == without.events
    assert records(log, "events") == records(clean, "events")
    assert summary.appended == len(records(log, "events")) + len(bad)
