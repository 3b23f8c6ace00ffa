"""Evaluation: what the models would have said, and how good it would have been."""
