"""A stand-in for Bybit's REST interface: what the demo exchange knows of its past, and everything that can go wrong."""
