"""Who was in charge when."""

from collections.abc import Iterable

import msgspec

from schemas.model import ModelChange

WARMUP = "warm-up"


class Mode(msgspec.Struct, frozen=True):
    """From ``start`` to ``end`` (microseconds UTC) ``who`` decided: a version, or warm-up."""

    who: str
    start: int
    end: int


def modes(changes: Iterable[ModelChange], strategy: str, symbol: str, start: int, end: int) -> list[Mode]:
    """The spans between two times, without holes, one after the other.

    A model that cannot be used leaves the decisions to warm-up.

    >>> from schemas.origin import Origin
    >>> change = ModelChange("s", 20, "champion", None, "v1", Origin(0, 1, 0))
    >>> [(mode.who, mode.start, mode.end) for mode in modes([change], "s", "BTCUSDT", 0, 50)]
    [('warm-up', 0, 20), ('v1', 20, 50)]
    """
    turns = {start: WARMUP}
    for change in changes:
        if change.strategy == strategy and change.role == "champion" and change.symbol in (None, symbol):
            turns[max(start, change.ts)] = change.after if change.after and change.usable else WARMUP
    found: list[Mode] = []
    for (since, who), until in zip(turns.items(), [*list(turns)[1:], end], strict=True):
        if found and found[-1].who == who:
            since = found.pop().start
        if until > since or not found:
            found.append(Mode(who, since, until))
    return found
