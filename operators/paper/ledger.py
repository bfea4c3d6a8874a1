"""The money of one symbol's paper account."""

from dataclasses import dataclass, field

from operators.paper.grid import nearest_step, whole_steps
from operators.trading.holding import Holding
from schemas.market import Side


@dataclass
class Ledger:
    """An isolated account of a linear perpetual: ``cash`` in quote currency, and what came of it.

    ``funding`` is what was paid for funding in all (negative: received). There is no leverage, and no liquidation
    either: a short that lost more than the account holds shows a balance of 0.

    >>> ledger = Ledger(cash=1000.0)
    >>> ledger.trade("buy", 2.0, 100.0, fee=0.5, at=1)
    >>> ledger.pay_funding(mark=110.0, rate=0.001)
    >>> ledger.wallet, ledger.equity(110.0), ledger.available(110.0)
    (999.28, 1019.28, 799.28)
    """

    cash: float
    funding: float = 0.0
    holding: Holding = field(default_factory=Holding)

    @property
    def wallet(self) -> float:
        """Cash, with everything that was realised, earned or paid since."""
        return self.cash + self.holding.realized - self.holding.fees - self.funding

    def equity(self, mark: float) -> float:
        """The wallet and the unrealised profit."""
        return self.wallet + self.holding.profit(mark)

    def available(self, mark: float) -> float:
        """Equity less the margin of the position, which is its whole value; never negative."""
        return max(0.0, self.equity(mark) - abs(self.holding.size) * mark)

    def affordable(self, side: Side, price: float, mark: float, fee: float) -> float:
        """The largest size of an order at ``price``, in whole steps.

        What closes the position is always affordable. What opens one must satisfy value of the position + value of the
        order + fees <= equity, where the position is what the order leaves of it, valued at ``mark``, and a rebate
        does not count.
        """
        size = self.holding.size
        fee = max(fee, 0.0)
        closes = abs(size) if size * (1 if side == "buy" else -1) < 0 else 0.0
        free = self.equity(mark) - (abs(size) - closes) * mark - closes * price * fee
        return whole_steps(closes + max(0.0, free) / (price * (1 + fee)))

    def trade(self, side: Side, size: float, price: float, fee: float, at: int) -> None:
        """An execution of whole steps; so is the position, whatever rounding errors its sum has."""
        self.holding.trade(side, size, price, at)
        self.holding.size = nearest_step(self.holding.size)
        self.holding.fees += fee

    def pay_funding(self, mark: float, rate: float) -> None:
        """A settlement: longs pay shorts the value of the position times ``rate``; a negative rate turns it round."""
        self.funding += self.holding.size * mark * rate
