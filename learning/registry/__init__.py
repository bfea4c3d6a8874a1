"""Which models there are: versions and how good they are, in PostgreSQL; files, and how long they are kept."""
