"""The proof that no row knows its future: rows are built again from data that end at the row, and must be the same."""

from collections.abc import Callable

import numpy as np

from learning.study.bars import Bars, Rates
from learning.study.folds import Fold
from learning.study.rows import Rows
from learning.study.target import UNKNOWN, Targets
from operators.spans import SECOND

Builder = Callable[[Bars, Rates], Rows]


class Leakage(ValueError):
    """A row knows something of its future. The message names the feature, the row and the two values."""


def prove(bars: Bars, rates: Rates, rows: Rows, build: Builder, lookback: int, cuts: int) -> int:
    """Build ``cuts`` of the rows, spread evenly, again from the ``lookback`` bars that end at each, without the future.

    Returns how many values were compared.

    Raises:
        Leakage: when a value differs, naming the feature.
    """
    places = sorted({round(place) for place in np.linspace(0, len(rows) - 1, min(cuts, len(rows)))})
    for place in places:
        last, ts = int(rows.bar[place]), int(rows.ts[place])
        again = build(bars.part(max(0, last + 1 - lookback), last + 1), [rate for rate in rates if rate[0] <= ts])
        if not len(again) or again.ts[-1] != ts or again.names != rows.names:
            raise Leakage(f"the row of {ts} (microseconds UTC) is not there without the bars after it")
        for name, before, now in zip(rows.names, rows.values[place], again.values[-1], strict=True):
            if before.tobytes() != now.tobytes() and not (np.isnan(before) and np.isnan(now)):
                raise Leakage(
                    f"feature {name} knows the future: at {ts} (microseconds UTC) it is {before}, but {now} when the"
                    " data end there"
                )
    return len(places) * len(rows.names)


def prove_targets(bars: Bars, rows: Rows, found: Targets, horizon: int) -> int:
    """Every target is the return from the close known at its row to the one known ``horizon`` seconds later.

    Looked up by time, not by place. Returns how many targets were looked at.

    Raises:
        Leakage: naming the row whose target rests on other prices.
    """
    known = dict(zip(bars.end.tolist(), bars.close.tolist(), strict=True))
    looked = 0
    for ts, change, label in zip(rows.ts.tolist(), found.change.tolist(), found.label.tolist(), strict=True):
        if label == UNKNOWN:
            continue
        now, later = known.get(ts), known.get(ts + horizon * SECOND)
        if now is None or later is None or later / now - 1 != change:
            raise Leakage(f"the target of {ts} (microseconds UTC) is not the return of the {horizon} s after it")
        looked += 1
    return looked


def prove_folds(ts: np.ndarray, folds: list[Fold], horizon: int) -> int:
    """No split of a fold begins before everything that the one before it rests on is known.

    Raises:
        Leakage: naming the fold.
    """
    for number, fold in enumerate(folds):
        for name, before, after in (("validation", fold.train, fold.validation), ("test", fold.validation, fold.test)):
            if not len(before.rows) or not len(after.rows):
                continue
            ends, begins = int(ts[before.rows].max()) + horizon * SECOND, int(ts[after.rows].min())
            if ends > begins:
                raise Leakage(f"fold {number}: the {name} rows begin at {begins}, before {ends} (microseconds UTC)")
    return len(folds)
