"""From any export to one sorted log of events."""
