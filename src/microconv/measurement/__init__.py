"""Measurement: which small steps are done, how fast, in what order, and what they are worth."""
