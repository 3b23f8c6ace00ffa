"""Bottlenecks: where prospects get stuck, the likely reason, the cost, what to test next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bottleneck:
    """One place where prospects get stuck.

    Attributes
    ----------
    kind : str
        `commitment_jump`, `stage_mismatch`, `technical_friction`,
        `value_proposition`, `trust_barrier` or `unknown`.
    step : str
    position : int or None
        Of the message, where it is about one.
    affected : int
        Sends, attempts or prospects that it affects.
    lost_completions, lost_completions_low, lost_completions_high : float
        Completions that would have come without it, with the interval.
    evidence : str
        What it is concluded from, in words and figures.
    detail : str
        The client, for technical friction.
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
