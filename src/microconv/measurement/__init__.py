"""Measurement: completion, velocity, paths, impact, bottlenecks and A/B tests."""
