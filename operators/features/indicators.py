"""TA-Lib, imported without the data frames it would support: pandas alone is half of a start, for nothing here."""

import sys

_HIDDEN = [name for name in ("pandas", "polars") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_HIDDEN))  # type: ignore[arg-type]  # None: an import says that there is no such module
try:
    import talib
finally:
    for _name in _HIDDEN:
        del sys.modules[_name]

__all__ = ["talib"]
