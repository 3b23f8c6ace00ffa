"""Where prospects get stuck, and why."""
