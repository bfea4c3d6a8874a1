"""The edges: the log, the exchanges, the database."""
