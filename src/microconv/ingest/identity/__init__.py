"""Which prospect a row belongs to, and since when that is known."""
