"""How good the data of one symbol were over a period, and what to do about it."""
