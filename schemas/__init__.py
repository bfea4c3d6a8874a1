"""The language of the log: every record that a topic carries, as msgspec structs."""
