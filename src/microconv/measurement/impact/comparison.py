"""One step or sequence against every comparator: a row of the impact tables."""

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
from microconv.measurement.impact.person_time import (
    PersonTime,
    SequenceFollowUp,
    ever_completed,
    follow_sequence,
)
from microconv.measurement.stats.intervals import Ratio, pooled_rate_ratio, rate_ratio
from microconv.measurement.study.human_events import HumanEvents
from microconv.measurement.study.study import Bools, Study
from microconv.settings import MeasureSettings

Codes16 = npt.NDArray[np.int16]


@dataclass(frozen=True)
class ComparisonContext:
    """Some prospects, and everything that a comparison among them needs.

    Attributes
    ----------
    among : ndarray of bool, shape (n_prospects,)
    population : str
        Who they are, in a word.
    ground : Ground
        What they did while at risk, and for how long they were.
    everything : HumanEvents
        What they ever did, as a dashboard counts it.
    """

    study: Study
    settings: MeasureSettings
    among: Bools
    population: str
    person_time: PersonTime
    everything: HumanEvents
    landmark: LandmarkCohort
    resamples: BootstrapDraws


@dataclass(frozen=True)
class Comparison:
    """What a step or a sequence shows against each comparator."""

    steps: tuple[str, ...]
    unadjusted: tuple[int, int, int, int]
    landmark: Ratio
    rate: Ratio
    order: Ratio
    order_counts: tuple[int, int, int, int]
    revenue: RevenueComparison

    @property
    def unadjusted_ratio(self) -> float:
        """The ratio that a dashboard would show."""
        with_, converted_with, without, converted_without = self.unadjusted
        if not with_ or not without or not converted_without:
            return float("nan")
        return converted_with / with_ / (converted_without / without)


def compare(context: ComparisonContext, sequence: Codes16) -> Comparison:
    """Compare those who did a step or a sequence with everybody comparable.

    Parameters
    ----------
    sequence : ndarray of int16, shape (n_steps,)
        CodedColumn of micro steps, distinct; one for a single step.
    """
    study, settings = context.study, context.settings
    spans = round(settings.within_days * DAY), round(settings.effect_days * DAY)
    found = follow_sequence(sequence, context.person_time, spans=spans)
    done_in_time = found.known_at[context.landmark.prospect] < context.landmark.at
    level = settings.confidence
    return Comparison(
        steps=tuple(study.journey.step_names[code] for code in sequence),
        unadjusted=_count_unadjusted(context, sequence, spans[0]),
        landmark=landmark_ratio(context.landmark, done_in_time, confidence=level),
        rate=pooled_rate_ratio(
            (found.events[0], found.events[1]), (found.days[0], found.days[1]), confidence=level
        ),
        order=_order(found, level),
        order_counts=_order_counts(found),
        revenue=compare_revenue(
            context.landmark, done_in_time, context.resamples, confidence=level
        ),
    )


def _count_unadjusted(
    context: ComparisonContext, sequence: Codes16, within: int
) -> tuple[int, int, int, int]:
    """Count prospects and converters who ever completed it, before or after converting."""
    ever = ever_completed(sequence, context.everything, within)[context.among]
    converted = (context.study.follow_up.converted_at != NEVER)[context.among]
    return (
        int(ever.sum()), int((ever & converted).sum()),
        int((~ever).sum()), int((~ever & converted).sum()),
    )  # fmt: skip


def _order(found: SequenceFollowUp, confidence: float) -> Ratio:
    events, days = found.order_events, found.order_days
    return rate_ratio(
        (float(events[0]), float(events[1])),
        (float(days[0]), float(days[1])),
        confidence=confidence,
    )


def _order_counts(found: SequenceFollowUp) -> tuple[int, int, int, int]:
    people, events = found.order_prospects, found.order_events
    return int(people[0]), int(events[0]), int(people[1]), int(events[1])


def comparison_row(comparison: Comparison) -> dict[str, Any]:
    """Write a comparison out as a row of the table."""
    with_, converted_with, without, converted_without = comparison.unadjusted
    row: dict[str, Any] = {
        "sequence": " > ".join(comparison.steps),
        "length": len(comparison.steps),
        "completers": with_,
        "completers_converted": converted_with,
        "others": without,
        "others_converted": converted_without,
        "unadjusted_ratio": comparison.unadjusted_ratio,
    }
    for name, ratio in (("landmark", comparison.landmark), ("rate", comparison.rate)):
        row |= ratio_columns(name, ratio)
    if len(comparison.steps) > 1:
        in_order, converted, other, converted_other = comparison.order_counts
        row |= {
            "in_order": in_order,
            "converted_in_order": converted,
            "in_another_order": other,
            "converted_in_another_order": converted_other,
        }
        row |= ratio_columns("order", comparison.order)
    return row


def ratio_columns(name: str, ratio: Ratio) -> dict[str, float]:
    """Spread a ratio over columns."""
    return {
        f"{name}_ratio": ratio.ratio,
        f"{name}_ratio_low": ratio.low,
        f"{name}_ratio_high": ratio.high,
        f"{name}_ratio_p": ratio.p,
    }


def revenue_row(comparison: Comparison) -> dict[str, Any]:
    """Write money and sales cycle out as a row of their table."""
    row: dict[str, Any] = {"sequence": " > ".join(comparison.steps)}
    for name in ("revenue", "revenue_trimmed", "lifetime_value", "sales_cycle_days"):
        difference = getattr(comparison.revenue, name)
        row |= {
            f"{name}_completers": difference.completers,
            f"{name}_others": difference.others,
            f"{name}_difference": difference.difference,
            f"{name}_low": difference.low,
            f"{name}_high": difference.high,
        }
    return row


YES, NO, CANNOT_TELL = "yes", "no", "cannot tell"


def assess_claim(
    comparison: Comparison, *, claim: tuple[float, float], randomised: bool, population: str
) -> dict[str, Any]:
    """Answer for one sequence.

    Parameters
    ----------
    claim : tuple of float
        The claimed ratio, from and to.
    randomised : bool
        Whether chance decided who was led through the sequence.
    population : str
        Who was looked at.

    Returns
    -------
    dict
        A row: `answer` (yes: the interval excludes 1 and the ratio reaches the
        claim; no: the interval lies below the claim; else cannot tell), the
        `sentence`, and the figures.
    """
    order = comparison.order
    in_order, _, other, _ = comparison.order_counts
    word = "effect" if randomised else "association"
    if not np.isfinite(order.ratio):
        answer = CANNOT_TELL
    elif order.low > 1 and order.ratio >= claim[0]:
        answer = YES
    elif order.high < claim[0]:
        answer = NO
    else:
        answer = CANNOT_TELL
    return {
        "sequence": " > ".join(comparison.steps),
        "answer": answer,
        "interpretation": word,
        "sentence": _sentence(comparison, answer, word, claim),
        "population": population,
        "unadjusted_ratio": comparison.unadjusted_ratio,
        **ratio_columns("order", order),
        **ratio_columns("rate", comparison.rate),
        **ratio_columns("landmark", comparison.landmark),
        "in_order": in_order,
        "in_another_order": other,
        "claim_from": claim[0],
        "claim_to": claim[1],
    }


def _sentence(comparison: Comparison, answer: str, word: str, claim: tuple[float, float]) -> str:
    order = comparison.order
    unadjusted = comparison.unadjusted_ratio
    board = f"A dashboard would say {unadjusted:.1f} times. " if np.isfinite(unadjusted) else ""
    if not np.isfinite(order.ratio):
        return (
            f"Cannot tell. {board}Too few prospects converted after these steps, in this order or "
            "another, to compare the two."
        )
    span = f"{order.ratio:.2f} times (interval {order.low:.2f} to {order.high:.2f})"
    against = f"{board}Against the same steps in another order it is {span}"
    if answer == YES:
        return f"Yes. {against}: an {word} as large as claimed."
    claimed = f"{claim[0]:g} to {claim[1]:g} times"
    if answer == NO:
        rest = f", though an {word} remains" if order.low > 1 else ""
        return f"No. {against}: {claimed} is ruled out{rest}."
    return f"Cannot tell. {against}: {claimed} is neither shown nor ruled out."
