"""RabbitMQ, through which the other services are reached: publishing and consuming without losing anything."""
