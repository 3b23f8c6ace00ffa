"""A bottleneck: what it is, what led there, what it costs, what to test next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

NEXT_TEST = {
    "commitment_jump": "Put a step of the level between before it, for half of the recipients.",
    "stage_mismatch": "Send it by the recipient's stage, to half of them, instead of by date.",
    "technical_friction": "Reproduce it with the client named, mend it, compare finish rates.",
    "value_proposition": "Test subject, text and call to action that say what the reader gains.",
    "trust_barrier": "Offer a reference or a guarantee right after the step, to half of them.",
    "unknown": "Ask some of those who opened and did not go on; then test what they name.",
}
"""Kind of bottleneck → the test that would show whether it can be mended."""


@dataclass(frozen=True)
class Bottleneck:
    """One place where prospects get stuck.

    Attributes
    ----------
    kind : str
        A key of :data:`NEXT_TEST`.
    step : str
    position : int or None
        Of the message, where it is one's.
    affected : int
        How many met it.
    lost_completions, lost_completions_low, lost_completions_high : float
        Completions that would have come without it, in prospects.
    evidence : str
        What led there, in words and figures.
    detail : str
        The client, the stage, the step before.
    """

    kind: str
    step: str
    position: int | None
    affected: int
    lost_completions: float
    lost_completions_low: float
    lost_completions_high: float
    evidence: str
    detail: str = ""

    def row(self, worth: float | None) -> dict[str, Any]:
        """Put it into a row, with the revenue that goes with what was lost.

        Parameters
        ----------
        worth : float or None
            Revenue per prospect that goes with having done the step.
        """
        money = None if worth is None else max(0.0, worth) * self.lost_completions
        return {**asdict(self), "lost_revenue": money, "next_test": NEXT_TEST[self.kind]}
