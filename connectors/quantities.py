"""Numbers as exchanges send them: the types that msgspec checks while it decodes.

Exchanges send decimals as strings; decoded with ``strict=False`` they become floats in C, once. NaN fails every
comparison, so a bound on both sides also keeps NaN and infinity out.
"""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.bounds import LARGEST, YEAR_2100
from schemas.codec import UNREADABLE

YEAR_2100_MS = YEAR_2100 // 1000

Price = Annotated[float, Meta(gt=0, lt=LARGEST)]
"""A price in quote currency."""
Size = Annotated[float, Meta(ge=0, lt=LARGEST)]
"""A size in base currency; 0 removes a level."""
TradeSize = Annotated[float, Meta(gt=0, lt=LARGEST)]
"""The size of a trade, in base currency."""
Quote = Size | Literal[""]
"""A price or size that may be absent: an empty string, and for a price also 0."""
Millis = Annotated[int, Meta(gt=0, lt=YEAR_2100_MS)]
"""A time in milliseconds UTC."""
AnyMillis = Annotated[int, Meta(ge=0, lt=YEAR_2100_MS)] | Literal[""]
"""A time in milliseconds UTC that may be absent: an empty string or 0."""
UpdateId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Levels = list[tuple[Price, Size]]

MALFORMED = UNREADABLE
"""What decoding hostile bytes can raise."""


def present(levels: Levels) -> Levels:
    """The levels of a snapshot that are there: one of size 0 is none.

    >>> present([(10.0, 1.0), (9.0, 0.0)])
    [(10.0, 1.0)]
    """
    return [level for level in levels if level[1]]
