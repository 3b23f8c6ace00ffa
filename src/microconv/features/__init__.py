"""Feature families: one file each, one compiled kernel each; `matrix` puts them side by side."""
