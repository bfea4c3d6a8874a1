"""Coverage-guided fuzzing of the parsers: python tests/fuzz/fuzz_parsers.py [-runs=20000] [-max_total_time=20] [folder]

Input bytes are a sequence of frames, one a line. The first character of a line picks the venue and the connection. What
must hold for every input: no exception, no event that breaks the schema, and the parser still reads a good frame then.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["connectors"]):
    from connectors.binance.parse import BinanceParser
    from connectors.bybit.parse import BybitParser
    from connectors.frames import Frame, Parser
    from connectors.validate import check

from seeds import seeds

from schemas.codec import decode_event, encode

RECV = 1_700_000_000_500_000
PLACES = [("bybit", "linear"), ("bybit", "spot"), ("binance", "usdm"), ("binance", "spot")]
GOOD = {
    "bybit": b'{"topic":"publicTrade.OKUSDT","ts":1,"data":[{"T":1,"s":"OKUSDT","S":"Buy","v":"1","p":"1","i":"x"}]}',
    "binance": b'{"stream":"okusdt@trade","data":{"e":"trade","T":1,"s":"OKUSDT","t":1,"p":"1","q":"1","m":true}}',
}


def feed(data: bytes) -> None:
    """Read the frames with parsers that keep their state from line to line."""
    parsers: dict[str, Parser] = {"bybit": BybitParser(), "binance": BinanceParser()}
    for line in data.split(b"\n")[:50]:
        venue, conn = PLACES[line[0] % len(PLACES)] if line else PLACES[0]
        parsed = parsers[venue].parse(Frame(venue, conn, RECV, line[1:]))
        for event in parsed.events:
            check(event, RECV)
            assert decode_event(encode(event)) == event, f"{event} does not survive the log"
        for bad in parsed.bad:
            assert bad.reason and bad.raw in line[1:], f"{bad} does not show what was refused"
    for venue, frame in GOOD.items():
        parsed = parsers[venue].parse(Frame(venue, "fresh", RECV, frame))
        assert len(parsed.events) == 1 and not parsed.bad, f"{venue}: a good frame is refused: {parsed}"


def main() -> None:
    """Start from the seeds, in a folder that is thrown away unless one is named."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (venue, frames) in enumerate(seeds().items()):
            first = bytes([ord("@") + 2 * number])
            for index, frame in enumerate([*frames, b"\n".join(first + frame for frame in frames)[1:]]):
                (Path(folder) / f"{venue}-{index}").write_bytes(first + frame)
        atheris.Setup([*sys.argv, folder], feed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
