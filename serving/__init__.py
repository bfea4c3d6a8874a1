"""The HTTP interface: it follows the topics and never computes a feature."""
