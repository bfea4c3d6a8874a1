"""Every feature, one function each, in a catalogue by name. Importing a group declares its features."""

from operators.features import book, calendar, flow, oscillation, perpetual, shape, trend, volume
from operators.features.catalogue import FEATURES, FORMULAS, Feature, Formula
from operators.features.view import Source, View

GROUPS = (book, flow, trend, oscillation, shape, volume, perpetual, calendar)

__all__ = ["FEATURES", "FORMULAS", "GROUPS", "Feature", "Formula", "Source", "View"]
