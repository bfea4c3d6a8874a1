"""Candles drawn from a seed, in memory and as files."""

import gzip
from pathlib import Path
from random import Random

import numpy as np

from learning.study.bars import Bars

MINUTE = 60_000_000
START = 1_700_000_040_000_000 // (60 * MINUTE) * 60 * MINUTE


def walk(seed: int, count: int, interval: int = MINUTE, holes: tuple[int, ...] = (), pull: float = 0.0) -> Bars:
    """A random walk; bars at the places ``holes`` are missing. With ``pull`` a part of each move is taken back."""
    random = Random(seed)
    price, move = 100.0, 0.0
    rows = []
    for number in range(count):
        open_ = price
        move = random.gauss(0, 0.001) - pull * move
        price = price * (1 + move)
        high = max(open_, price) * (1 + abs(random.gauss(0, 0.0003)))
        low = min(open_, price) * (1 - abs(random.gauss(0, 0.0003)))
        rows.append((START + number * interval, open_, high, low, price, random.choice([0.0, 1.5, 2.0, 7.25])))
    rows = [row for place, row in enumerate(rows) if place not in holes]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Bars("BTCUSDT", interval, columns[0].astype(np.int64), *(column.astype(float) for column in columns[1:]))


def write(folder: Path, bars: Bars, name: str) -> Path:
    """The bars as a file of the form that the importer reads."""
    lines = ["ts_ms,open,high,low,close,volume"]
    lines += [
        f"{start // 1000},{','.join(map(repr, values))}"
        for start, *values in zip(*(column.tolist() for column in bars.columns), strict=True)
    ]
    path = folder / name
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path
