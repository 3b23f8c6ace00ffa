"""From raw rows to clean rows: instants, event names, prospects."""
