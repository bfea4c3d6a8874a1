"""Everything that may stop or shrink an entry, in the order in which it is asked.

A gate looks at a ``Case`` and answers with a ``Verdict``. The first one that stops gives the decision its ``step`` and
its ``reason``.
"""

from collections.abc import Callable

from operators.decide.case import Case, Verdict
from operators.decide.gate.assets import assets
from operators.decide.gate.data import data
from operators.decide.gate.duplicate import duplicate
from operators.decide.gate.edge import edge
from operators.decide.gate.funds import balance
from operators.decide.gate.orders import orders
from operators.decide.gate.position import position
from operators.decide.gate.profit import profit
from operators.decide.gate.rate import rate
from operators.decide.gate.valid import valid

Gate = Callable[[Case], Verdict]

GATES: tuple[tuple[str, Gate], ...] = (
    ("data", data),  # fresh and untainted market data, and a price
    ("assets", assets),  # the symbol takes part
    ("edge", edge),  # the model or warm-up sees a reason to trade: from here on there is a plan
    ("rate", rate),  # not too many signals
    ("orders", orders),  # none of ours still trades
    ("profit", profit),  # a profit that is due is taken instead
    ("position", position),  # fits the largest position, or shrinks to it
    ("balance", balance),  # can be paid for, or shrinks to what can
    ("valid", valid),  # complete, finite, within the ranges of the wire
    ("duplicate", duplicate),  # not said already
)
