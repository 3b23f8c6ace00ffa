"""Leakage checks: features and labels that contain what was not known at prediction time."""
