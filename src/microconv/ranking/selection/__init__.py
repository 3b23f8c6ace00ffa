"""Who is listed: top-k, capacity, suppression, exploration."""
