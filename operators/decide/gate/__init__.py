"""One rule a file. ``operators.decide.gates`` says in which order they apply."""
