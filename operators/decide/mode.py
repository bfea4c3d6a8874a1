"""Which mode a strategy is in, and how a change of it is told."""

from schemas.decision import Number
from schemas.strategy import Strategy

NAMES = {"off": "off", "exits": "exits only", "warmup": "warm-up", "model": "model"}


def mode_of(strategy: Strategy, symbol: str, version: str | None) -> str:
    """``off``, ``exits`` (no entries), ``warmup`` or ``model``; ``version`` is the active model of the symbol."""
    if not strategy.enabled or symbol not in strategy.symbols:
        return "off"
    if strategy.mode == "exits":
        return "exits"
    return "model" if strategy.mode == "auto" and version is not None else "warmup"


def described(strategy: Strategy, symbol: str, version: str | None) -> dict[str, Number]:
    """The mode and the parameters that entries depend on, by the names of the settings."""
    mode = mode_of(strategy, symbol, version)
    numbers: dict[str, Number] = {"mode": mode, "model_version": version if mode == "model" else None}
    for part in ("warmup", "rate", "orders", "position", "balance", "data", "amount"):
        block = getattr(strategy, part)
        numbers |= {f"{part}.{name}": getattr(block, name) for name in block.__struct_fields__}
    take = strategy.exits.enabled and strategy.exits.take_profit.enabled
    numbers |= {"confidence": strategy.confidence, "assets.select": strategy.assets.select}
    return numbers | {"exits.take_profit": take, "exits.take_profit.percent": strategy.exits.take_profit.percent}


def difference(before: dict[str, Number], now: dict[str, Number]) -> str:
    """What changed, for people.

    >>> difference({"mode": "warmup", "rate.burst": 1}, {"mode": "model", "model_version": "v7", "rate.burst": 2})
    'warm-up -> model v7, rate.burst 1 -> 2'
    """
    mode = _mode(now)
    if not before:
        return f"begins: {mode}"
    said = [mode if _mode(before) == mode else f"{_mode(before)} -> {mode}"]
    changed = [name for name in now if name not in ("mode", "model_version") and before.get(name) != now[name]]
    return ", ".join([*said, *(f"{name} {before.get(name)} -> {now[name]}" for name in changed)])


def _mode(numbers: dict[str, Number]) -> str:
    version = numbers.get("model_version")
    return NAMES[str(numbers["mode"])] + (f" {version}" if version else "")
