"""Histories of prospects as arrays, and the snapshots taken of them: cohort and labels."""
