"""Engines: run one function over the buckets of a log."""
