"""What completing a step or a sequence goes together with."""
