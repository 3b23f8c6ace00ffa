"""Which of the many mined sequences are worth testing on the other half."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from microconv.measurement.impact.sequences import FrequentSequences
from microconv.measurement.study.study import Floats

Sequence = tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """A mined sequence, and why it is worth a test.

    Attributes
    ----------
    steps : tuple of int
        CodedColumn, in order.
    completed : int
        Prospects of the mining half who completed it.
    contrast : float
        Standardised difference of the conversion rate from the same steps in
        another order; nan where no other order is frequent.
    excess : float
        Standardised excess of conversions over what the whole half's rate expects.
    """

    steps: Sequence
    completed: int
    contrast: float
    excess: float


def choose_candidates(mined: list[FrequentSequences], *, rate: float, most: int) -> list[Candidate]:
    """Choose sequences to test: by contrast with other orders first, then by excess.

    Parameters
    ----------
    mined : list of Mined
    rate : float
        Conversions per person-day of the mining half.
    most : int
        At most half of them are chosen by contrast, the rest by excess.
    """
    found = [each for level in mined for each in _judged(level, rate)]
    by_contrast = sorted(
        (c for c in found if np.isfinite(c.contrast)), key=lambda c: (-abs(c.contrast), c.steps)
    )
    chosen = by_contrast[: (most + 1) // 2]
    taken = {candidate.steps for candidate in chosen}
    by_excess = sorted(found, key=lambda c: (-abs(c.excess), c.steps))
    rest = [candidate for candidate in by_excess if candidate.steps not in taken]
    return chosen + rest[: most - len(chosen)]


def _judged(level: FrequentSequences, rate: float) -> list[Candidate]:
    keys = [tuple(int(code) for code in row) for row in level.steps]
    events: dict[Sequence, float] = defaultdict(float)
    days: dict[Sequence, float] = defaultdict(float)
    for key, n, time in zip(keys, level.events, level.days, strict=True):
        events[tuple(sorted(key))] += float(n)
        days[tuple(sorted(key))] += float(time)
    same = [tuple(sorted(key)) for key in keys]
    other_events = np.array([events[key] for key in same]) - level.events
    other_days = np.array([days[key] for key in same]) - level.days
    contrast = _contrast(level.events, level.days, other_events, other_days)
    expected = level.days * rate
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.nan_to_num((level.events - expected) / np.sqrt(expected))
    return [
        Candidate(key, int(n), float(c), float(e))
        for key, n, c, e in zip(keys, level.completed, contrast, excess, strict=True)
    ]


def _contrast(events: Floats, days: Floats, other_events: Floats, other_days: Floats) -> Floats:
    """Standardise the logarithm of the rate ratio, half a conversion added to each side."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = events + 0.5, other_events + 0.5
        z = np.log(a / days / (b / other_days)) / np.sqrt(1 / a + 1 / b)
    return np.where((days > 0) & (other_days > 0), z, np.nan)
