"""Comparison of the completers of one step or sequence with every comparator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.histories.arrays import DAY, NEVER
from microconv.measurement.impact.landmark import (
    BootstrapDraws,
    LandmarkCohort,
    RevenueComparison,
    compare_revenue,
    landmark_ratio,
)
from microconv.measurement.impact.person_time import PersonTime, ever_completed, follow_sequence
from microconv.measurement.stats.intervals import Ratio, pooled_rate_ratio, rate_ratio
from microconv.measurement.study.human_events import HumanEvents
from microconv.measurement.study.study import Bools, Study
from microconv.settings import MeasureSettings

StepCodes = npt.NDArray[np.int16]

YES, NO, CANNOT_TELL = "yes", "no", "cannot tell"


@dataclass(frozen=True)
class ComparisonContext:
    """A population, and what comparisons within it share.

    Attributes
    ----------
    study : Study
    settings : MeasureSettings
    among : ndarray of bool, shape (n_prospects,)
        Prospects of the population.
    population : str
        Description of the population.
    person_time : PersonTime
    all_events : HumanEvents
        Human events at any time, after conversions too.
    landmark : LandmarkCohort
    draws : BootstrapDraws
    """

    study: Study
    settings: MeasureSettings
    among: Bools
    population: str
    person_time: PersonTime
    all_events: HumanEvents
    landmark: LandmarkCohort
    draws: BootstrapDraws


@dataclass(frozen=True)
class Comparison:
    """Ratios of the completers of a step or sequence to each comparator.

    Attributes
    ----------
    steps : tuple of str
    unadjusted_counts : tuple of int
        Completers at any time, converters among them, other prospects, converters among them.
    landmark : Ratio
        Of conversion risks after the landmark, in strata.
    rate : Ratio
        Of conversion rates within `effect_days` to rates before the first completion, in strata.
    order : Ratio
        Of conversion rates after the same steps in this order to those in another order.
    order_counts : tuple of int
        Prospects with the steps in this order, converters among them, prospects with the steps
        in another order, converters among them.
    revenue : RevenueComparison
    """

    steps: tuple[str, ...]
    unadjusted_counts: tuple[int, int, int, int]
    landmark: Ratio
    rate: Ratio
    order: Ratio
    order_counts: tuple[int, int, int, int]
    revenue: RevenueComparison

    @property
    def sequence(self) -> str:
        """The steps in one text."""
        return " > ".join(self.steps)

    @property
    def unadjusted_ratio(self) -> float:
        """Ratio of the shares converted of completers and others, as a dashboard shows it."""
        completers, converted, others, others_converted = self.unadjusted_counts
        if not completers or not others or not others_converted:
            return float("nan")
        return converted / completers / (others_converted / others)


def compare(context: ComparisonContext, sequence: StepCodes) -> Comparison:
    """Compare the completers of a step or sequence with every comparator.

    Parameters
    ----------
    context : ComparisonContext
    sequence : ndarray of int16, shape (n_steps,)
        Codes of distinct micro-conversions; one for a single step.

    Returns
    -------
    Comparison
    """
    study, settings, level = context.study, context.settings, context.settings.confidence
    spans = round(settings.within_days * DAY), round(settings.effect_days * DAY)
    found = follow_sequence(sequence, context.person_time, spans=spans)
    before_landmark = found.known_at[context.landmark.prospect] < context.landmark.at
    ever = ever_completed(sequence, context.all_events, within=spans[0])[context.among]
    converted = (study.follow_up.converted_at != NEVER)[context.among]
    prospects, events, days = found.order_prospects, found.order_events, found.order_days
    return Comparison(
        steps=tuple(study.journey.step_names[code] for code in sequence),
        unadjusted_counts=(
            int(ever.sum()), int((ever & converted).sum()),
            int((~ever).sum()), int((~ever & converted).sum()),
        ),
        landmark=landmark_ratio(context.landmark, before_landmark, confidence=level),
        rate=pooled_rate_ratio(
            (found.events[0], found.events[1]), (found.days[0], found.days[1]), confidence=level
        ),
        order=rate_ratio(
            (float(events[0]), float(events[1])),
            (float(days[0]), float(days[1])),
            confidence=level,
        ),
        order_counts=(int(prospects[0]), int(events[0]), int(prospects[1]), int(events[1])),
        revenue=compare_revenue(context.landmark, before_landmark, context.draws, confidence=level),
    )  # fmt: skip


def comparison_row(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as a row of the tables `steps` and `sequences`."""
    names = "completers", "completers_converted", "others", "others_converted"
    row: dict[str, Any] = {
        "sequence": comparison.sequence,
        "length": len(comparison.steps),
        **dict(zip(names, comparison.unadjusted_counts, strict=True)),
        "unadjusted_ratio": comparison.unadjusted_ratio,
        **_ratio_columns("landmark", comparison.landmark),
        **_ratio_columns("rate", comparison.rate),
    }
    if len(comparison.steps) > 1:
        names = "in_order", "converted_in_order", "in_another_order", "converted_in_another_order"
        row |= dict(zip(names, comparison.order_counts, strict=True))
        row |= _ratio_columns("order", comparison.order)
    return row


def _ratio_columns(name: str, ratio: Ratio) -> dict[str, float]:
    return {
        f"{name}_ratio": ratio.ratio,
        f"{name}_ratio_low": ratio.low,
        f"{name}_ratio_high": ratio.high,
        f"{name}_ratio_p": ratio.p,
    }


def revenue_row(comparison: Comparison) -> dict[str, Any]:
    """Return revenue and length of the sales cycle as a row of the table `revenue`."""
    row: dict[str, Any] = {"sequence": comparison.sequence}
    for name, difference in vars(comparison.revenue).items():
        row |= {
            f"{name}_completers": difference.completers,
            f"{name}_others": difference.others,
            f"{name}_difference": difference.difference,
            f"{name}_low": difference.low,
            f"{name}_high": difference.high,
        }
    return row


def assess_claim(
    comparison: Comparison, *, claim: tuple[float, float], randomised: bool, population: str
) -> dict[str, Any]:
    """Assess whether completers of a sequence convert as many times as often as claimed.

    The answer compares prospects who did the same steps in another order: the unadjusted ratio
    is too high, as interested prospects complete more and buy more.

    Parameters
    ----------
    comparison : Comparison
    claim : tuple of float
        Lower and upper end of the claimed ratio.
    randomised : bool
        Whether it was randomised who was led through the sequence.
    population : str

    Returns
    -------
    dict
        A row of the table `claims`. Its `answer` is "yes" if the interval lies above 1 and the
        ratio reaches the claim, "no" if the interval lies below the claim, else "cannot tell".
    """
    order = comparison.order
    if np.isfinite(order.ratio) and order.low > 1 and order.ratio >= claim[0]:
        answer = YES
    elif np.isfinite(order.ratio) and order.high < claim[0]:
        answer = NO
    else:
        answer = CANNOT_TELL
    interpretation = "effect" if randomised else "association"
    return {
        "sequence": comparison.sequence,
        "answer": answer,
        "interpretation": interpretation,
        "sentence": _sentence(comparison, answer, interpretation, claim),
        "population": population,
        "unadjusted_ratio": comparison.unadjusted_ratio,
        **_ratio_columns("order", order),
        **_ratio_columns("rate", comparison.rate),
        **_ratio_columns("landmark", comparison.landmark),
        "in_order": comparison.order_counts[0],
        "in_another_order": comparison.order_counts[2],
        "claim_from": claim[0],
        "claim_to": claim[1],
    }


def _sentence(
    comparison: Comparison, answer: str, interpretation: str, claim: tuple[float, float]
) -> str:
    order, unadjusted = comparison.order, comparison.unadjusted_ratio
    before = f"The unadjusted ratio is {unadjusted:.1f}. " if np.isfinite(unadjusted) else ""
    if not np.isfinite(order.ratio):
        return (
            f"Cannot tell. {before}Too few prospects converted after these steps, in this order or "
            "another, to compare the two."
        )
    found = (
        f"{before}Compared with the same steps in another order, prospects converted "
        f"{order.ratio:.2f} times as often (interval {order.low:.2f} to {order.high:.2f})"
    )
    if answer == YES:
        return f"Yes. {found}: the {interpretation} is as large as claimed."
    claimed = f"{claim[0]:g} to {claim[1]:g} times"
    if answer == NO:
        rest = f", but an {interpretation} remains" if order.low > 1 else ""
        return f"No. {found}: {claimed} is ruled out{rest}."
    return f"Cannot tell. {found}: {claimed} is neither shown nor ruled out."
