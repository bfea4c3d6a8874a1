"""The learning loop on one page: which model decided when, how good it was, and what came of it."""
