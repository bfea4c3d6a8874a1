"""Where a file of the archive is: type, date and symbol as folders, shard and offsets as its name."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

DAY = 86_400_000_000
NOBODY = "_"
"""Instead of a symbol, for what concerns them all."""
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
"""Symbols that are folders as they are. Events of others lie with those of nobody, and keep their bytes."""
OURS = "_"
"""Names that begin so are not data, also for pyarrow."""
CATALOGUE = "_catalogue.sqlite"
LOCK = "_lock"
WRITING = "_writing"
HOLDS = "_holds"


class Place(NamedTuple):
    """A folder: the rows of one type, day (UTC) and symbol (None: of all of them, or of a strange one)."""

    type: str
    date: str
    symbol: str | None

    @property
    def folder(self) -> str:
        """Relative to the archive's root.

        >>> Place("trade", "2026-08-09", "BTCUSDT").folder
        'type=trade/date=2026-08-09/symbol=BTCUSDT'
        """
        return f"type={self.type}/date={self.date}/symbol={self.symbol or NOBODY}"


def file_name(shard: int, first: int, last: int) -> str:
    """The name of the file with the rows between two offsets of a shard, both included; it sorts by them.

    >>> file_name(0, 17, 4711)
    '00000-000000000017-000000004711.parquet'
    """
    return f"{shard:05d}-{first:012d}-{last:012d}.parquet"


@lru_cache(1024)
def _date(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()


def date_of(time: int) -> str:
    """The day (UTC) of a time in microseconds.

    >>> date_of(1_700_000_000_000_000)
    '2023-11-14'
    """
    return _date(time // DAY)


@lru_cache(4096)
def symbol_of(symbol: str | None) -> str | None:
    """The symbol, if a folder may be called so.

    >>> symbol_of("BTC-PERP"), symbol_of("../etc"), symbol_of(None)
    ('BTC-PERP', None, None)
    """
    return symbol if symbol is not None and PLAIN.fullmatch(symbol) else None
