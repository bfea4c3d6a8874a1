"""The other services: what we ask them over REST, and the tables of theirs that we read."""
