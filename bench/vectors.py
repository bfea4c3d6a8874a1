"""What one vector costs, and what a shard full of symbols weighs."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

from bench.sessions import demo
from connectors.frames import Frame
from connectors.venues import parser_for
from operators.engine import Engine
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.registry import Registry
from operators.spans import MINUTE, SECOND
from schemas.codec import encode


def vector_microseconds(registry: Registry, symbols: int = 4, seconds: int = 60) -> dict[str, float]:
    """Microseconds to compute one vector of the whole registry while the candles stand still, and when they changed."""
    features = FeatureSet.compile(registry)
    stage, t = warmed(features, symbols, seconds)
    states = list(stage.symbols.values())
    still = timed(lambda: [features.compute(state.view(t)) for state in states]) / symbols

    def change() -> None:
        for state in states:
            candles = state.candles
            start = candles.start[-1] + MINUTE
            last = [column[-1] for column in (candles.open, candles.high, candles.low, candles.close, candles.volume)]
            candles.add(start + MINUTE, start, *last)
            features.compute(state.view(t))

    return {"still": still * 1e6, "candle": timed(change) / symbols * 1e6, "features": float(len(features.names))}


def timed(action: Callable[[], object], rounds: int = 200) -> float:
    """Median seconds of one call."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return median(times)


def warmed(features: FeatureSet, symbols: int, seconds: int) -> tuple[MarketStage, int]:
    """A market stage that has a day of candles and some seconds of the demo exchange behind it, and its last second."""
    feed = demo(symbols, seconds)
    parser = parser_for("bybit")
    engine = Engine(0, lambda cursor: [MarketStage(features, cursor)])
    stage = engine.stages[0]
    assert isinstance(stage, MarketStage)
    history = [kline for symbol in feed.market.symbols.values() for kline in symbol.history(1_500)]
    engine.feed(enumerate(encode(kline) for kline in history))
    for item in feed._frames():
        if isinstance(item, Frame):
            engine.feed((0, encode(event)) for event in parser.parse(item).events)
    assert stage.clock is not None
    return stage, -(-stage.clock // SECOND) * SECOND


def memory(symbols: int = 100) -> dict[str, float]:
    """Resident megabytes of a fresh process before and after it holds ``symbols`` symbols, and its snapshot's size."""
    program = (
        "import json, psutil, sys\n"
        "from pathlib import Path\n"
        "from bench.vectors import warmed\n"
        "from operators.features.featureset import FeatureSet\n"
        "from operators.registry import parse_registry\n"
        "registry = parse_registry(Path('config/feature_registry/full.yaml').read_text(), where='full.yaml')\n"
        "before = psutil.Process().memory_info().rss\n"
        "stage, _ = warmed(FeatureSet.compile(registry), int(sys.argv[1]), 10)\n"
        "import msgspec\n"
        "size = len(msgspec.msgpack.encode(stage.snapshot()))\n"
        "after = psutil.Process().memory_info().rss\n"
        "print(json.dumps({'before': before / 1e6, 'after': after / 1e6, 'snapshot': size / 1e6}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(symbols)], check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result
