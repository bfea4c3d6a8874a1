"""Lockstep for notebooks: what the live flow knew, as a table.

    import lockstep

    frame = lockstep.load_features("BTCUSDT", "2025-03-01", "2025-03-02T12:00", version="1.0.0")
    frame[["mid_price", "returns_1m"]].plot()

The values are the very numbers on the topic ``features``, which signals were decided on and datasets are made of. The
log is the one that the ``lockstep`` command would use here: the settings come from the environment or from ``.env`` in
the current folder (``LOCKSTEP_HOME``, ``KAFKA_BOOTSTRAP_SERVERS`` ...).
"""

from lockstep.features import load_features

__all__ = ["load_features"]
