"""What may be asked of history: which strategy and asset, which time, which page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString

from fastapi import Depends, HTTPException, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, NaiveDatetime

from serving.database import Database

COUNTED = 100_000
"""Rows that are counted at most: a count of many millions would take the database seconds."""

Asset = Annotated[
    str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,50}$", description="Such as BTCUSDT.", examples=["BTCUSDT"])
]
StrategyName = Annotated[str | None, Query(max_length=100, description="A strategy's id.", examples=["momentum"])]


def no_number(given: Any) -> Any:
    """A time as text; a number could be seconds or milliseconds, so it is refused.

    Raises:
        ValueError: for a number.
    """
    if isinstance(given, str) and given.strip().lstrip("+-").replace(".", "", 1).replace("e", "", 1).isdigit():
        raise ValueError("a time is wanted, such as 2025-03-04T09:15:04Z, and not a number")
    return given


Time = Annotated[
    AwareDatetime | NaiveDatetime | None,
    BeforeValidator(no_number),
    Query(description="ISO 8601; without a zone it is UTC.", examples=["2025-03-04T09:15:04Z"]),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="The most items of a page.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="How many newer items to pass over.")]


def naive(moment: datetime) -> datetime:
    """As the tables hold it: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def written(moment: datetime | None) -> str | None:
    """A time of the tables as the other services write it.

    >>> written(datetime(2025, 3, 4, 9, 15, 4, 250000))
    '2025-03-04T09:15:04.250000Z'
    """
    return None if moment is None else f"{moment.isoformat()}Z"


class Asked(BaseModel):
    """Filters and page of a question about history."""

    strategy_id: str | None = None
    asset: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100
    offset: int = 0

    def where(self, time: LiteralString, *more: LiteralString) -> LiteralString:
        """The condition, with ``time`` as the name of the column of times. ``more`` are conditions beside these."""
        parts: list[LiteralString] = [*more]
        if self.strategy_id is not None:
            parts.append("strategy_id = %(strategy_id)s")
        if self.asset is not None:
            parts.append("asset = %(asset)s")
        if self.since is not None:
            parts.append(time + " >= %(since)s")
        if self.until is not None:
            parts.append(time + " < %(until)s")
        return " and ".join(parts) or "true"

    def params(self) -> dict[str, Any]:
        """The values of the condition."""
        return self.model_dump()

    def fits(self, strategy: str, asset: str) -> bool:
        """Whether something of this strategy and asset was asked for; times are for history alone."""
        return self.strategy_id in (None, strategy) and self.asset in (None, asset)


def asked(
    strategy_id: StrategyName = None,
    asset: Asset = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Asked:
    """The question; an asset is known in capitals.

    Raises:
        HTTPException: 400 when the time ends before it begins.
    """
    begin, end = (None if moment is None else naive(moment) for moment in (since, until))
    if begin and end and end < begin:
        raise HTTPException(400, f"until ({written(end)}) lies before since ({written(begin)})")
    name = asset.upper() if asset else None
    return Asked(strategy_id=strategy_id, asset=name, since=begin, until=end, limit=limit, offset=offset)


Question = Annotated[Asked, Depends(asked)]


class Page(BaseModel):
    """Where in the whole answer a page is; ``total`` counts what the filters fit, up to 100,000."""

    total: int = Field(examples=[1])
    limit: int = Field(examples=[100])
    offset: int = Field(examples=[0])


def count(history: Database, table: LiteralString, condition: LiteralString, params: Mapping[str, Any]) -> int:
    """How many rows of a table fit, up to ``COUNTED``."""
    query = "select count(*) as total from (select 1 from " + table + " where " + condition + " limit %(counted)s) fit"
    return int(history.rows(query, {**params, "counted": COUNTED})[0]["total"])
