"""The study population: who was observed, and when."""
