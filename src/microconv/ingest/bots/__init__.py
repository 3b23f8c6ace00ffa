"""Bot detection: the probability that a person made each click and open."""
