"""PostgreSQL: the embedded server, migrations, and the lease that keeps every topic to one writer."""
