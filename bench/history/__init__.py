"""Full-rate history of one symbol, drawn by lot: the same for the same seed, on any machine, a day at a time."""
