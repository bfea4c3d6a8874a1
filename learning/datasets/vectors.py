"""The vectors of one symbol as a table: the very numbers that the live flow wrote."""

from array import array
from math import nan

import numpy as np
import pyarrow as pa

from connectors.log import Log
from connectors.log.span import raw_span
from learning.datasets.errors import CannotServe, DatasetError
from learning.datasets.files import TIME
from learning.datasets.recorded import TOPIC, decode_slim
from learning.datasets.served import utc
from schemas.codec import decode_vector
from schemas.topics import shard_of

BATCH = 2_000


def read_vectors(log: Log, symbol: str, start: int, end: int, version: str | None = None) -> pa.Table:
    """The vectors of ``symbol`` from ``start`` until before ``end`` (microseconds UTC) on the topic ``features``.

    Columns: ``timestamp``, ``tainted``, and each feature as float64, null where it was not known.

    Raises:
        CannotServe: when there are none; the message names the times and versions that there are.
        DatasetError: when ``version`` is not given and there are vectors of several.
    """
    shards = {topic.name: topic.shards for topic in log.topics()}.get(TOPIC)
    if shards is None:
        raise CannotServe(f"the log has no topic {TOPIC}: collect events and run a flow first (lockstep run-dataflow)")
    shard = shard_of(symbol, shards)
    columns = _Columns()
    seen: dict[str, tuple[int, int]] = {}
    begin, stop = log.offset_at(TOPIC, shard, start), log.end(TOPIC, shard)
    for batch in raw_span(log, TOPIC, shard, begin, stop, BATCH):
        for _, value in batch:
            slim = decode_slim(value or b"")
            if slim.ts >= end:
                return _table(columns, seen, symbol, start, end, version)
            if slim.symbol != symbol or slim.ts < start:
                continue
            first, _ = seen.get(slim.feature_registry_version, (slim.ts, 0))
            seen[slim.feature_registry_version] = first, slim.ts
            if version in (None, slim.feature_registry_version):
                columns.add(slim.ts, slim.tainted, decode_vector(value or b"").features)
    return _table(columns, seen, symbol, start, end, version)


class _Columns:
    """Grows column by column; a feature that only some vectors have is null in the others."""

    def __init__(self) -> None:
        self.ts: list[int] = []
        self.tainted: list[bool] = []
        self.values: dict[str, array] = {}

    def add(self, ts: int, tainted: bool, features: dict[str, float | None]) -> None:
        for name, value in features.items():
            if name not in self.values:
                self.values[name] = array("d", [nan] * len(self.ts))
            self.values[name].append(nan if value is None else value)
        self.ts.append(ts)
        self.tainted.append(tainted)
        for column in self.values.values():
            if len(column) < len(self.ts):
                column.append(nan)

    def table(self) -> pa.Table:
        arrays = {"timestamp": pa.array(self.ts, TIME), "tainted": pa.array(self.tainted, pa.bool_())}
        for name, column in self.values.items():
            numbers = np.frombuffer(column, dtype=np.float64)
            arrays[name] = pa.array(numbers, mask=np.isnan(numbers))
        return pa.table(arrays)


def _table(
    columns: _Columns, seen: dict[str, tuple[int, int]], symbol: str, start: int, end: int, version: str | None
) -> pa.Table:
    there = ", ".join(f"{name} ({utc(first)} to {utc(last)})" for name, (first, last) in seen.items())
    if version is None and len(seen) > 1:
        raise DatasetError(f"{symbol} has vectors of several registry versions there, say which: {there}")
    if not columns.ts:
        wanted = f" of registry version {version}" if version else ""
        raise CannotServe(
            f"there is no vector of {symbol}{wanted} from {utc(start)} to {utc(end)}; there: {there or 'none at all'}"
        )
    return columns.table()
