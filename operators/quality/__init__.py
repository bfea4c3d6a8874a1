"""How good the data are: what came, what did not, and what cannot be true."""
