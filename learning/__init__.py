"""Datasets from the log, trainings, model files and their registry, and who decides when a model takes over."""
