"""A demo exchange: a seeded market that speaks Bybit v5, its faults, and a server for it."""
