"""Labels: what the price did within a horizon after a vector, and nothing where that cannot be known for sure."""

from operators.labels.label import Label, classify, risk_adjusted
from operators.labels.labeller import Labeller, Lost, Matured
from operators.labels.prices import Prices

__all__ = ["Label", "Labeller", "Lost", "Matured", "Prices", "classify", "risk_adjusted"]
