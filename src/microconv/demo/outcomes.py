"""Outcomes of each prospect: won, lost or disqualified, and the amounts of the deals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.mail import NEVER
from microconv.demo.people import DAY, Floats, Ints, People


@dataclass(frozen=True)
class Outcomes:
    """One entry per prospect, drawn before anything the prospect does.

    Attributes
    ----------
    threshold : ndarray of float64
        Standard exponential: the prospect converts when the integrated hazard
        reaches it.
    disqualified : ndarray of int64
        When sales would close the file; falls on everybody alike.
    lost : ndarray of int64
        When a deal would be lost; says nothing of a later one.
    amount : ndarray of float64
        What a deal of this prospect is worth.
    """

    threshold: Floats
    disqualified: Ints
    lost: Ints
    amount: Floats


def draw_outcomes(people: People, rng: Generator) -> Outcomes:
    """Draw what does not depend on anything that the prospects do.

    Parameters
    ----------
    people : People
    rng : Generator
    """
    n = len(people)
    mean = np.array(c.AMOUNT_LOG_MEAN)[people.size]
    return Outcomes(
        threshold=rng.exponential(1.0, n),
        disqualified=people.arrival + _wait(rng, n, c.DISQUALIFIED_PER_DAY),
        lost=people.arrival + _wait(rng, n, c.LOST_DEALS_PER_DAY),
        amount=np.exp(mean + c.AMOUNT_LOG_SD * rng.standard_normal(n)).round(2),
    )


def _wait(rng: Generator, n: int, per_day: float) -> Ints:
    return np.minimum(rng.exponential(1 / per_day, n) * DAY, float(NEVER // 2)).astype(np.int64)
