"""One file per format: what a vendor sends, read into one common table."""
