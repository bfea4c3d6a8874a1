"""Reading datasets back."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from learning.datasets.files import read_file, schema_of
from learning.datasets.metadata import load_metadata


def read_split(folder: Path, split: str, fold: int | None = None) -> pa.Table:
    """The rows of a split, ``train``, ``validation`` or ``test``, in the order of time; none where it is empty.

    Columns: ``timestamp`` (microseconds UTC), ``symbol``, the features (float64, null where not known), ``target``.

    Args:
        folder: the dataset's.
        split: its name.
        fold: which fold of a walk-forward dataset.

    Raises:
        KeyError: when the dataset has no such split.
        FileNotFoundError: when there is no dataset in the folder.
    """
    metadata = load_metadata(folder)
    info = metadata.split(split, fold)
    schema = schema_of(metadata.features, metadata.request.target.kind)
    return read_file(folder / info.file, schema) if info.file else schema.empty_table()


def matrix(table: pa.Table, features: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Features as float64 (rows, features), NaN where not known, and targets (int8 classes or float64).

    Raises:
        KeyError: when the table has no such feature.
    """
    values = np.empty((table.num_rows, len(features)))
    for place, name in enumerate(features):
        if name not in table.column_names:
            raise KeyError(f"the dataset has no feature {name!r}")
        values[:, place] = table.column(name).to_numpy()
    return values, table.column("target").to_numpy()
