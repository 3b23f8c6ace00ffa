"""From scores to lists: whom to call, why, and what to ask for next."""
