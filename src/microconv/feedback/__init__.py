"""Feedback: past lists compared with their outcomes, and whether to retrain the model."""
