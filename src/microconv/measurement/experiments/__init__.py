"""Tests (A/B): what a randomised comparison says, and what has to hold before it may say it."""
