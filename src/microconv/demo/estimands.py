"""Value of the sequence: rate ratios with its effect on and off, same random numbers.

The people, their messages, their visits and what they do are drawn once. With
the effect on (F as planted) and off (F = 1) only the hazard differs. Let

* S(t) = exp(−H(t)) be the probability of not having converted by t, H the
  integrated hazard, and h its derivative;
* A be the exposed person-time: while at risk, within 30 days after completing
  the sequence in order.

The expected conversions and person-days in A are

    C = Σ_i ∫_A S_i h_i dt,   T = Σ_i ∫_A S_i dt

(expectations over the conversion's own random number, so free of its noise),
and the *marginal rate ratio* of the sequence is

    (C_on / T_on) / (C_off / T_off):

the rate of those who completed it in order, over the rate the same prospects
would have had in the same days had the order done nothing. It averages over
the world's own mix of traits, and lies a little below F because with the
effect on the likelier ones convert, and leave, earlier.

Two comparisons are stated, each with its own A:

* *not yet completed*: A holds the 30 days after every completion in order; the
  comparator is all time at risk before the first.
* *another order*: A holds the 30 days from the instant at which all three
  steps first lay within 30 days, for prospects who had then done them in
  order; the comparator is the same 30 days of those who had not, cut short if
  they complete the sequence in order after all.

The effect never touches a comparator's person-time, so its rate is the same on
and off. Each *crude* ratio, rate in A over rate of the comparator, is given on
and off: the one with the effect off is what confounding alone would show for a
sequence that does nothing, and crude on over crude off is the marginal ratio.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from microconv.demo import catalogue as c
from microconv.demo.hazard import Spans, cumulated, hazard_of
from microconv.demo.people import Bools, Floats, People


def rate_ratios(people: People, spans: Spans, world: c.World) -> dict[str, Any]:
    """Compute the marginal and the crude rate ratios of the sequence.

    Parameters
    ----------
    people : People
    spans : Spans
    world : World

    Returns
    -------
    dict
        `against_not_yet_completed` and `against_another_order`, each with the
        marginal `ratio`, the `crude_on`, `crude_off`, and expected conversions,
        person-days and rates on both sides.
    """
    on = _Run(spans, hazard_of(people, spans, world, effect=world.effect))
    off = _Run(spans, hazard_of(people, spans, world, effect=1.0))
    return {
        "against_not_yet_completed": _compare(on, off, spans.in_order, spans.not_yet),
        "against_another_order": _compare(on, off, spans.this_order, spans.another_order),
    }


class _Run:
    """Expected conversions and person-days of every span under one hazard."""

    def __init__(self, spans: Spans, hazard: Floats) -> None:
        alive = np.exp(-cumulated(spans, hazard))
        self.conversions = alive * -np.expm1(-hazard * spans.days)
        self.days = self.conversions / hazard

    def side(self, spans: Bools) -> dict[str, float]:
        """Sum over some spans."""
        conversions, days = self.conversions[spans].sum(), self.days[spans].sum()
        rate = conversions / days if days else float("nan")
        return {"conversions": conversions, "person_days": days, "rate": rate}


def _compare(on: _Run, off: _Run, exposed: Bools, comparator: Bools) -> dict[str, Any]:
    exposed_on, exposed_off = on.side(exposed), off.side(exposed)
    against = off.side(comparator)
    return {
        "ratio": _over(exposed_on, exposed_off),
        "crude_on": _over(exposed_on, on.side(comparator)),
        "crude_off": _over(exposed_off, against),
        "completed_effect_on": exposed_on,
        "completed_effect_off": exposed_off,
        "comparator": against,
    }


def _over(one: dict[str, float], other: dict[str, float]) -> float | None:
    ratio = one["rate"] / other["rate"] if other["rate"] else float("nan")
    return float(ratio) if np.isfinite(ratio) else None
