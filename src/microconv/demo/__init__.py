"""The demo worlds: exports as vendors send them, and the truth behind them."""

from microconv.demo.generate import simulate

__all__ = ["simulate"]
