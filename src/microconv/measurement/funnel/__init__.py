"""Completion, velocity, paths and drop-off."""
