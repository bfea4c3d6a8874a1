"""Feature registries under version control: files, what they mean for each other, trials, activation, and a record."""
