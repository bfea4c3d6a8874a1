"""Models at work: what they foretell of each vector, what comes of it, and what the online ones learn from it."""
