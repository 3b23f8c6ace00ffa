"""Leakage checks: columns and labels that know what they could not have known."""
