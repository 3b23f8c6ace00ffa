"""Intervals, shrinkage and survival curves."""
