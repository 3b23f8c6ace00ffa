"""Pages for people: the list for sales, the evaluation for data scientists."""
