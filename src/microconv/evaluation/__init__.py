"""Evaluation: backtests, metrics, calibration, leakage checks and the decision to promote."""
