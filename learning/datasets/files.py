"""Split files: Parquet with zstd, or CSV; the same rows give the same bytes."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

TIME = pa.timestamp("us", tz="UTC")
KEY = b"lockstep"
"""The key of a Parquet file's schema metadata under which a dataset says what it is, as JSON."""


def schema_of(features: Sequence[str], kind: str, about: Mapping[str, Any] | None = None) -> pa.Schema:
    """timestamp, symbol, the features, target: -1, 0 or 1 for a classification, else a float64."""
    target = pa.int8() if kind == "classification" else pa.float64()
    fields = [("timestamp", TIME), ("symbol", pa.string()), *((name, pa.float64()) for name in features)]
    metadata = None if about is None else {KEY: json.dumps(about, sort_keys=True).encode()}
    return pa.schema([*fields, ("target", target)], metadata=metadata)


def batch_of(
    schema: pa.Schema, ts: Sequence[int], symbols: Sequence[str], values: np.ndarray, targets: Sequence[float]
) -> pa.RecordBatch:
    """Rows as Arrow: ``values`` is (rows, features), NaN becomes null."""
    columns = [pa.array(ts, TIME), pa.array(symbols, pa.string())]
    columns += [pa.array(column, pa.float64(), mask=np.isnan(column)) for column in np.ascontiguousarray(values.T)]
    target = np.asarray(targets)
    columns.append(pa.array(target if schema.field("target").type == pa.float64() else target.astype("int8")))
    return pa.record_batch(columns, schema=schema)


class SplitFile:
    """A file that is made on the first batch; without one there is none."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Append one batch, a row group of Parquet."""
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open()
        self._writer.write_batch(batch) if self.path.suffix == ".parquet" else self._writer.write(batch)

    def close(self) -> str:
        """Finish the file; its SHA-256, empty where there is no file."""
        if self._writer is None:
            return ""
        self._writer.close()
        self._writer = None
        return digest_of(self.path)

    def _open(self) -> Any:
        if self.path.suffix == ".parquet":
            return pq.ParquetWriter(self.path, self.schema, compression="zstd", use_dictionary=["symbol"])
        return csv.CSVWriter(str(self.path), self.schema)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    state = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def read_file(path: Path, schema: pa.Schema) -> pa.Table:
    """The rows of a split file."""
    if path.suffix == ".parquet":
        return pq.read_table(path)
    types = {field.name: field.type for field in schema}
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=False))
