"""The demo worlds: exports as vendors send them, and the truth behind them."""

from microconv.simulate.generate import simulate

__all__ = ["simulate"]
