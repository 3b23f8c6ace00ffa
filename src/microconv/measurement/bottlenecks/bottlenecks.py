"""Where prospects get stuck, why as far as can be told, what it costs, and what to test."""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.measurement.bottlenecks.bottleneck import Bottleneck
from microconv.measurement.bottlenecks.friction import find_friction
from microconv.measurement.bottlenecks.self_controlled import find_barriers, hesitant
from microconv.measurement.bottlenecks.weak_messages import find_underperforming_messages
from microconv.measurement.section import Section
from microconv.measurement.study.message_sends import NO_GOAL, MessageSends
from microconv.measurement.study.study import Study
from microconv.settings import BottleneckSettings

NONE_FOUND = "No bottleneck stands out."


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
    judged = sends.where(sends.window_closed & (sends.goal != NO_GOAL))
    found = find_barriers(study, judged, settings, confidence=confidence)
    if study.messages is None or len(judged) == 0:
        missing.append(
            "There is no table of messages with goals, so commitment jumps, content that does not "
            "match and weak value propositions cannot be looked for."
        )
    else:
        aside = hesitant(study, judged, found, settings)
        least = settings.min_recipients
        found += find_underperforming_messages(
            study, judged, aside, least=least, confidence=confidence
        )
    if study.journey.multi_step:
        found += find_friction(study, settings, confidence=confidence)
    else:
        missing.append(
            "No step has parts (`journey.multi_step`), so nobody can see who starts a step and "
            "does not finish it: technical friction cannot be looked for."
        )
    worth = _worth(study)
    if not worth:
        missing.append("No conversion has a value, so what is lost is not stated in money.")
    rows = [each.row(_worth_of(each, study, worth)) for each in found]
    rows.sort(key=lambda row: -row["lost_completions"])
    tables = {"bottlenecks": pd.DataFrame(rows)} if rows else {}
    says = [_say(each) for each in sorted(found, key=lambda each: -each.lost_completions)]
    return Section(tuple(says) or (NONE_FOUND,), tuple(missing), tables)


def _worth(study: Study) -> dict[str, float]:
    """Say how much more revenue those who did a step brought than those who did not.

    An association, so at most what a completion more would bring: who does
    more is who buys more.
    """
    money = study.follow_up.lifetime_value
    if not money.any():
        return {}
    owners = study.owners()
    found = {}
    for name in study.names_of("micro"):
        did = np.zeros(len(study), bool)
        did[owners[study.step == study.journey.code_of(name)]] = True
        if did.any() and not did.all():
            found[name] = float(money[did].mean() - money[~did].mean())
    return found


def _worth_of(found: Bottleneck, study: Study, worth: dict[str, float]) -> float | None:
    """Price what is lost: the step itself, or after a barrier a step of the last stage."""
    if found.kind != "trust_barrier":
        return worth.get(found.step)
    last = study.journey.stages[-1]
    steps = [s.name for s in study.journey.steps if s.kind == "micro" and s.stage == last]
    known = [worth[name] for name in steps if name in worth]
    return float(np.mean(known)) if known else None


def _say(found: Bottleneck) -> str:
    where = f"`{found.step}`" + (f" (message {found.position})" if found.position else "")
    kind = found.kind.replace("_", " ")
    low, high = found.lost_completions_low, found.lost_completions_high
    return (
        f"{kind[0].upper()}{kind[1:]} at {where}: about {found.lost_completions:,.0f} completions "
        f"lost ({low:,.0f} to {high:,.0f}) among {found.affected:,}. {found.evidence}"
    )
