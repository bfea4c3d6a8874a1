"""Labels: what the price did after a moment, known when its horizon has passed on the log's clock, never before."""
