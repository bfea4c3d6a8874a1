"""Feature registries: which features a vector holds, read from YAML and refused with every problem named.

A registry entry in full, as ``contracts/features.md`` section 12 has it, and two keys of our own::

    - name: ema_100                 # required, unique
      formula: ema                  # ours: a formula under a new name, with
      params: {n: 100}              # ours: its parameters
      input_sources: [kline]        # required; may be empty
      lookback_window: 401m         # required: at least what the formula needs
      lookahead_forbidden: true     # required, must be true
      max_lookback_days: 1          # optional; the window must fit
      data_sources:                 # required; names every input source
        - {source: kline, timestamp_required: true}
      normalization: {type: none}   # optional: z_score (mean, std), min_max (min, max), none
      order: 10                     # optional: place in the order of calculation
"""

from operators.registry.model import Entry, MinMax, Normalise, Problem, Registry, RegistryError, ZScore
from operators.registry.parse import parse_registry

__all__ = ["Entry", "MinMax", "Normalise", "Problem", "Registry", "RegistryError", "ZScore", "parse_registry"]
