"""How large an order may be: the instrument's least sizes, the position it reduces, the balance it needs."""

from operators.paper.grid import STEP, whole_steps
from operators.paper.ledger import Ledger
from operators.paper.order import PaperOrder

LEAST_VALUE = 5.0
"""The least value of an order that may open a position, in quote currency."""


def too_small(quantity: float, price: float) -> str:
    """Why a quantity that may open a position is too small; empty when it is not.

    >>> too_small(2.0, 2.0)
    'too small: worth 4, less than 5.0'
    """
    value = quantity * price
    worthless = "" if value >= LEAST_VALUE else f"too small: worth {value:.4g}, less than {LEAST_VALUE}"
    return _below_step(quantity) or worthless


def fit_position(order: PaperOrder, size: float) -> str:
    """Make a reduce-only order close no more of a position of ``size`` than there is; returns why it cannot be.

    What closes a position may be worth as little as it likes: otherwise the rest of one could never be closed.
    """
    if not order.reduce_only:
        return too_small(order.quantity, order.mid)
    if not size:
        return "reduce-only: there is no position"
    if size * order.sign > 0:
        return f"reduce-only: a {order.side} does not reduce a position of {size}"
    order.quantity = whole_steps(min(order.quantity, abs(size)))
    return _below_step(order.quantity)


def fit_balance(order: PaperOrder, ledger: Ledger, price: float, mark: float, fee: float) -> str:
    """Make an order at ``price`` no larger than the account can pay for (``Ledger.affordable``); returns why it cannot
    be."""
    quantity = min(order.quantity, ledger.affordable(order.side, price, mark, fee))
    if too_small(quantity, order.mid):
        return f"insufficient balance: {ledger.available(mark):.2f} available"
    order.quantity = quantity
    return ""


def _below_step(quantity: float) -> str:
    return "" if quantity >= STEP else f"too small: {quantity} is below the step of {STEP}"
