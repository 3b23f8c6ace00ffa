"""Experiments (A/B tests): sample ratio check, effects with intervals, guardrails, power."""
