"""Loading the live features of a symbol."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, overload

from cli.context import Context
from learning.datasets.vectors import read_vectors

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Moment = int | str | datetime
"""Microseconds since 1970 UTC, an ISO text or a datetime; without a zone it is UTC."""


@overload
def load_features(
    symbol: str, start: Moment, end: Moment, version: str | None = None, *, form: Literal["pandas"] = "pandas"
) -> "pd.DataFrame": ...


@overload
def load_features(
    symbol: str, start: Moment, end: Moment, version: str | None = None, *, form: Literal["arrow"]
) -> "pa.Table": ...


def load_features(
    symbol: str,
    start: Moment,
    end: Moment,
    version: str | None = None,
    *,
    form: Literal["pandas", "arrow"] = "pandas",
) -> "pd.DataFrame | pa.Table":
    """The feature vectors of ``symbol`` from ``start`` until before ``end``, one a second, exactly as they were live.

    A ``pandas.DataFrame`` indexed by ``timestamp`` (UTC) with NaN where a feature was not known, or with
    ``form="arrow"`` a ``pyarrow.Table`` with a column ``timestamp`` and nulls. Either has a column ``tainted`` (no
    model may see such a vector) and one for each feature (float64; prices in quote currency, sizes in base).

    Args:
        symbol: such as ``BTCUSDT``.
        start: the first second.
        end: the first second that is not wanted any more.
        version: of the feature registry that made the vectors; None where there is only one in this span.
        form: ``pandas`` or ``arrow``.

    Raises:
        learning.datasets.CannotServe: when there are no such vectors; the message names what there is.
        learning.datasets.DatasetError: when there are several versions and none was named.
        ValueError: for a time that is none.
    """
    with Context() as program:
        log = program.open_log()
        try:
            table = read_vectors(log, symbol, _microseconds(start), _microseconds(end), version)
        finally:
            log.close()
    return table if form == "arrow" else table.to_pandas().set_index("timestamp")


def _microseconds(moment: Moment) -> int:
    """A time in microseconds UTC.

    >>> _microseconds("2025-03-01"), _microseconds("2025-03-01T01:00+01:00")
    (1740787200000000, 1740787200000000)
    """
    if isinstance(moment, int):
        return moment
    time = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
