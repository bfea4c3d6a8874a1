"""Bybit v5: public WebSocket and REST."""
