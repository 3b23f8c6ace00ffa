"""Feature families: one file and one compiled kernel each."""
