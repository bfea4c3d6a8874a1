"""Traceability."""
