"""Exits: rules that close what a strategy holds, on every position update, fill and price.

``stage`` feeds records in, ``rules`` says when a position should be closed, ``gates`` what may hold an exit back, and
``reconcile`` compares what strategies hold with what the account reports.
"""

from operators.exits.stage import ExitsStage

__all__ = ["ExitsStage"]
