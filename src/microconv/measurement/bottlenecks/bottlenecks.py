"""The section on bottlenecks: all of them, the costliest first, priced and summarised."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd

from microconv.measurement.bottlenecks import Bottleneck
from microconv.measurement.bottlenecks.friction import find_friction
from microconv.measurement.bottlenecks.self_controlled import find_barriers, sends_after_barriers
from microconv.measurement.bottlenecks.underperforming_messages import (
    find_underperforming_messages,
)
from microconv.measurement.section import Section
from microconv.measurement.study.message_sends import MessageSends
from microconv.measurement.study.study import Study
from microconv.settings import BottleneckSettings

NONE_FOUND = "No bottleneck was found."

NEXT_TEST = {
    "commitment_jump": "Test an intermediate step before it, for half of the recipients.",
    "stage_mismatch": "Test sending it by the recipient's stage, to half of them, not by date.",
    "technical_friction": "Reproduce it on this client, fix it, and compare completion rates.",
    "value_proposition": "Test a subject, text and call to action that name the reader's benefit.",
    "trust_barrier": "Test a reference or a guarantee right after the step, for half of them.",
    "unknown": "Interview some of those who opened it and went no further; test what they name.",
}
"""Kind of bottleneck → the experiment that would show whether it can be removed."""

AFFECTED = {"trust_barrier": "prospects", "technical_friction": "attempts"}
"""What `affected` counts; recipients for the other kinds."""


def bottlenecks(
    study: Study, sends: MessageSends, settings: BottleneckSettings, *, confidence: float
) -> Section:
    """Find and classify bottlenecks, the costliest first.

    Parameters
    ----------
    study : Study
    sends : MessageSends
        All of the study's.
    settings : BottleneckSettings
    confidence : float

    Returns
    -------
    Section
        Table `bottlenecks`, one row each.
    """
    missing = []
    sends = sends.with_outcome()
    found = find_barriers(study, sends, settings, confidence=confidence)
    if study.messages is None or len(sends) == 0:
        missing.append(
            "There is no table of messages with goals, so commitment jumps, stage mismatches and "
            "weak value propositions cannot be found."
        )
    else:
        found += find_underperforming_messages(
            study,
            sends,
            sends_after_barriers(study, sends, found, settings),
            min_sends=settings.min_recipients,
            confidence=confidence,
        )
    if study.journey.multi_step:
        found += find_friction(study, settings, confidence=confidence)
    else:
        missing.append(
            "No step has parts (`journey.multi_step`), so it is unknown who starts a step and "
            "does not finish it: technical friction cannot be found."
        )
    revenue = _associated_revenue(study)
    if not revenue:
        missing.append("No conversion has a value, so the cost is not stated in money.")
    found.sort(key=lambda each: -each.lost_completions)
    rows = []
    for each in found:
        value = _revenue_per_completion(each, study, revenue)
        lost = None if value is None else max(0.0, value) * each.lost_completions
        rows.append({**asdict(each), "lost_revenue": lost, "next_test": NEXT_TEST[each.kind]})
    tables = {"bottlenecks": pd.DataFrame(rows)} if rows else {}
    return Section(tuple(map(_sentence, found)) or (NONE_FOUND,), tuple(missing), tables)


def _associated_revenue(study: Study) -> dict[str, float]:
    """Return, by step, how much more revenue those who did it brought than those who did not.

    An association, so at most what one more completion would bring: the more
    engaged do more and buy more.
    """
    revenue = study.follow_up.lifetime_value
    if not revenue.any():
        return {}
    owners = study.owners()
    found = {}
    for name in study.names_of("micro"):
        did = np.zeros(len(study), bool)
        did[owners[study.step == study.journey.code_of(name)]] = True
        if did.any() and not did.all():
            found[name] = float(revenue[did].mean() - revenue[~did].mean())
    return found


def _revenue_per_completion(
    found: Bottleneck, study: Study, revenue: dict[str, float]
) -> float | None:
    """Price what is lost: the step itself, or after a barrier a step of the last stage."""
    if found.kind != "trust_barrier":
        return revenue.get(found.step)
    last = study.journey.stages[-1]
    steps = [s.name for s in study.journey.steps if s.kind == "micro" and s.stage == last]
    known = [revenue[name] for name in steps if name in revenue]
    return float(np.mean(known)) if known else None


def _sentence(found: Bottleneck) -> str:
    where = f"`{found.step}`" + (f" (message {found.position})" if found.position else "")
    low, high = found.lost_completions_low, found.lost_completions_high
    return (
        f"{found.kind.replace('_', ' ').capitalize()} at {where}: about "
        f"{found.lost_completions:,.0f} completions lost ({low:,.0f} to {high:,.0f}) among "
        f"{found.affected:,} {AFFECTED.get(found.kind, 'recipients')}. {found.evidence}"
    )
