"""What a number or a text of an event may be: so that no sum overflows, and what is derived still fits on the log.

Readers enforce the bounds while they decode. NaN and infinity are no JSON.
"""

from typing import Annotated

from msgspec import Meta

LARGEST = 1e18
YEAR_2100 = 4_102_444_800_000_000
LONGEST = 256
LAST_ID = 2**63 - 1

Time = Annotated[int, Meta(gt=0, lt=YEAR_2100)]
"""Microseconds since 1970, UTC."""
UpdateId = Annotated[int, Meta(ge=-1, le=LAST_ID)]
"""A place in a venue's sequence; -1 is the one before the first."""
Price = Annotated[float, Meta(gt=0, lt=LARGEST)]
"""Quote currency."""
Size = Annotated[float, Meta(ge=0, lt=LARGEST)]
"""Base currency; in a delta 0 removes the level."""
Amount = Annotated[float, Meta(ge=0, lt=LARGEST)]
"""A sum in either currency."""
Rate = Annotated[float, Meta(gt=-1, lt=1)]
"""A signed fraction per funding interval."""
Text = Annotated[str, Meta(max_length=LONGEST)]
"""A name, an id or a reason."""
