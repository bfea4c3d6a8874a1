"""Pure state machines: no clock, no client, no settings. The same records in, the same bytes out."""
