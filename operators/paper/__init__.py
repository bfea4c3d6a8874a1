"""The paper exchange: executes signals against the market on the log, and reports as the live bridge would."""
