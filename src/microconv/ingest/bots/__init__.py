"""Bot detection: the probability that a person made a click or an open."""
