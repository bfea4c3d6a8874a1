"""What the price of one symbol did between two moments."""

import msgspec

from schemas.origin import Origin


class PriceBar(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="bar"):
    """Prices (quote currency) seen after ``start`` and up to ``ts``, both microseconds UTC."""

    symbol: str
    ts: int
    start: int
    high: float
    low: float
    close: float
    origin: Origin
