"""The ticker of the demo exchange: prices at a glance, open interest and the funding rate."""

from random import Random

from connectors.demo.instrument import Instrument

FUNDING_INTERVAL = 8 * 3_600 * 1_000_000
_BASE_RATE = 1e-4
_CAP = 5e-3
_REPRICE = 60_000_000


class Tickers:
    """What a linear ticker says, field by field as Bybit names them, and what of it changed.

    The funding rate follows the premium that one-sided order flow builds up; it is set anew once a minute.
    """

    def __init__(self, instrument: Instrument, rng: Random, start: int) -> None:
        self.instrument = instrument
        self.rng = rng
        self.open_interest = rng.uniform(0.8, 1.2) * 4e9 / instrument.opening
        self.premium = 0.0
        self.rate = _BASE_RATE
        self.next_funding = (start // FUNDING_INTERVAL + 1) * FUNDING_INTERVAL
        self.paid: list[tuple[int, float]] = []
        """When funding was paid since the start (microseconds UTC), and at which rate."""
        self.next_pricing = start
        self.fields: dict[str, str] = {}

    def update(self, time: int, fair: float, flow: float, market: dict[str, str]) -> dict[str, str]:
        """Bring the ticker up to ``time`` (microseconds); returns the fields that changed.

        ``fair`` is the fair price in ticks, ``market`` what the book and the tape say (already decimals).
        """
        self._fund(time, flow)
        index = self.instrument.price(fair * (1.0 - self.premium))
        self.open_interest *= 1.0 + 1e-6 * (flow + self.rng.gauss(0.0, 1.0))
        digits = self.instrument.price_digits
        now = {
            **market,
            "markPrice": f"{self.instrument.price(fair):.{digits}f}",
            "indexPrice": f"{index:.{digits}f}",
            "openInterest": f"{self.open_interest:.{self.instrument.size_digits}f}",
            "fundingRate": f"{self.rate:.8f}",
            "nextFundingTime": str(self.next_funding // 1000),
        }
        changed = {name: value for name, value in now.items() if self.fields.get(name) != value}
        self.fields.update(changed)
        return changed

    def _fund(self, time: int, flow: float) -> None:
        """Let the premium follow the flow, and set the rate and the next payment when they are due."""
        self.premium += 0.002 * (4e-4 * flow - self.premium)
        while time >= self.next_funding:
            self.paid.append((self.next_funding, self.rate))
            self.next_funding += FUNDING_INTERVAL
        if time >= self.next_pricing:
            self.next_pricing = time + _REPRICE
            self.rate = min(_CAP, max(-_CAP, _BASE_RATE + self.premium))
