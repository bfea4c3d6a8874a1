"""Binance: recorded frames of spot, USDT futures (usdm) and coin-margined futures (cm)."""
