"""Features of perpetual contracts: the funding rate (a fraction per interval) and its settlements."""

from operators.features.catalogue import Value, every_second, of
from operators.features.statistics import mean
from operators.features.view import Source, View
from operators.funding import ESTIMATE_LIFE, GRACE, INTERVAL
from operators.spans import HOUR, SECOND

PERPETUAL: tuple[Source, ...] = ("ticker", "funding")


def paid(n: int) -> int:
    """How far back ``n`` settlements may lie, and the estimate before the oldest of them."""
    return n * INTERVAL + GRACE + ESTIMATE_LIFE


@every_second(sources=PERPETUAL, reach=lambda: paid(1))
def funding_rate(view: View) -> Value:
    """The rate in force: the venue's newest word, or the last settlement where it says nothing else."""
    told = view.rate()
    return None if told is None else told.rate


@every_second(sources=PERPETUAL, reach=lambda: paid(1))
def funding_rate_abs(view: View) -> Value:
    """Size of the rate in force."""
    told = view.rate()
    return None if told is None else abs(told.rate)


@every_second(sources=PERPETUAL, reach=lambda: paid(1))
def time_to_funding(view: View) -> Value:
    """Seconds until the next settlement, 0.0 when it is due."""
    told = view.rate()
    if told is None or told.next_funding is None:
        return None
    return max(0, told.next_funding - view.t) / SECOND


@every_second(sources=PERPETUAL, reach=lambda: paid(1))
def funding_rate_settled(view: View) -> Value:
    """The last rate that was paid."""
    rates = view.funding.settled(view.t, 1)
    return None if rates is None else rates[0]


@every_second(
    sources=PERPETUAL,
    window=lambda n: n * 8 * HOUR,
    reach=paid,
    limits={"n": (1, 4)},
    names=of("n", funding_rate_ma_3=3),
)
def settled_mean(view: View, n: int) -> Value:
    """Mean of the last ``n`` settlements."""
    rates = view.funding.settled(view.t, n)
    return None if rates is None else mean(rates)


@every_second(sources=PERPETUAL, window=lambda: 16 * HOUR, reach=lambda: paid(2))
def funding_rate_change(view: View) -> Value:
    """The last settlement less the one before."""
    rates = view.funding.settled(view.t, 2)
    return None if rates is None else rates[1] - rates[0]
