"""The sequence of messages read through: what each asks for, in which words, of whom."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from microconv.errors import listed
from microconv.journey import MICRO, JourneyMap
from microconv.measurement.section import MOST_NAMED, Section
from microconv.measurement.stats.intervals import wilson_interval
from microconv.measurement.study.message_sends import NO_GOAL, MessageSends, parse_goals
from microconv.measurement.study.sequence_messages import is_beside
from microconv.measurement.study.study import Bools, Study
from microconv.settings import AuditSettings

SAYS = {
    "no_goal": "asks for no step",
    "unknown_goal": "asks for a step that the journey does not have as a micro-conversion",
    "several_goals": "asks for several steps at once",
    "generic_cta": "has a call to action that does not say what follows",
    "stage_behind": "speaks to a stage that most of its recipients have passed",
    "stage_ahead": "speaks to a stage that most of its recipients have not reached",
    "commitment_rise": "asks for too much more than any message before it",
    "step_without_message": "is asked for by no message",
}
"""Kind of finding → how it reads."""

MAJORITY = 0.5


def audit(
    study: Study, sends: MessageSends, settings: AuditSettings, *, confidence: float
) -> Section:
    """Read the sequence of messages through.

    Parameters
    ----------
    study : Study
    sends : MessageSends
        All of the study's.
    settings : AuditSettings
    confidence : float

    Returns
    -------
    Section
        Table `findings`: each fault with its message and, where there is data, how
        many it was sent to, how many of them answered, how many answer the
        messages without a finding, and the answers that are lost by that measure.
    """
    if study.messages is None or len(study.messages) == 0:
        return Section(
            missing=(
                "There is no table of messages, so the sequence cannot be read through. Bring one "
                "(a source of the format `messages`: goal, subject, call to action, position).",
            )
        )
    found = [
        *_by_wording(study.messages, study.journey, settings),
        *_by_stage(study, sends),
        *_by_commitment(study.messages, study.journey, settings),
    ]
    rows = [*_cost(found, study, sends, confidence), *_unasked(study, sends)]
    columns = ["kind", "message", "campaign", "position", "detail", "description"]
    table = pd.DataFrame(rows, columns=[*columns, *COSTS])
    missing = []
    if len(sends) == 0:
        missing.append("No event belongs to one of the messages, so no finding has a cost.")
    if study.messages["cta"].isna().all():
        missing.append("No message says what its call to action is (`cta`), so none is judged.")
    return Section(_says(table), tuple(missing), {"findings": table} if rows else {})


COSTS = ("sends", "responses", "rate", "rate_low", "rate_high", "reference_rate", "lost_responses")

Finding = tuple[str, int, str]
"""Kind, row of the message, detail."""


def _by_wording(
    messages: pd.DataFrame, journey: JourneyMap, settings: AuditSettings
) -> list[Finding]:
    """Look at goals and calls to action."""
    generic = {plain(words) for words in settings.generic_ctas}
    micro = {step.name for step in journey.steps if step.kind == "micro"}
    found = []
    for row, (goal, cta) in enumerate(zip(messages["goal"], messages["cta"], strict=True)):
        goals = parse_goals(goal)
        unknown = [name for name in goals if name not in micro]
        if not goals:
            found.append(("no_goal", row, ""))
        if unknown:
            found.append(("unknown_goal", row, ", ".join(unknown)))
        if len(goals) > 1:
            found.append(("several_goals", row, ", ".join(goals)))
        if isinstance(cta, str) and plain(cta) in generic:
            found.append(("generic_cta", row, cta))
    return found


def plain(words: str) -> str:
    """Strip a call to action of case and of all but letters, digits and single spaces.

    Examples
    --------
    >>> plain("  Click HERE » ")
    'click here'
    """
    return " ".join(re.findall(r"[^\W_]+", words.casefold()))


def _by_stage(study: Study, sends: MessageSends) -> list[Finding]:
    """Look at where recipients stood when they were asked."""
    apart = study.journey.stage_codes[sends.goal].astype(np.int64) - sends.stage
    found = []
    for row in np.unique(sends.message[sends.goal != NO_GOAL]).tolist():
        mine = apart[sends.message == row]
        for kind, beside in (
            ("stage_behind", mine < 0),
            ("stage_ahead", is_beside(mine) & (mine > 0)),
        ):
            if beside.mean() > MAJORITY:
                found.append((kind, row, f"{beside.mean():.0%} of {len(mine):,} recipients"))
    return found


def _by_commitment(
    messages: pd.DataFrame, journey: JourneyMap, settings: AuditSettings
) -> list[Finding]:
    """Look at how commitment rises along each campaign."""
    table = pd.DataFrame(
        {
            "row": np.arange(len(messages)),
            "campaign": messages["campaign_id"].fillna(""),
            "position": messages["position"],
            "commitment": [_commitment(goal, journey) for goal in messages["goal"]],
        }
    ).dropna()
    found = []
    for _, campaign in table.sort_values(["position", "row"]).groupby("campaign"):
        highest = np.nan
        for _, together in campaign.groupby("position"):
            rise = together["commitment"] - highest
            for row, levels, wanted in zip(
                together["row"], rise, together["commitment"], strict=True
            ):
                if levels > settings.max_commitment_jump:
                    detail = f"from {highest:.0f} to {wanted:.0f}"
                    found.append(("commitment_rise", int(row), detail))
            highest = np.nanmax([highest, together["commitment"].max()])
    return found


def _commitment(goal: object, journey: JourneyMap) -> float:
    """Give the highest commitment that a message asks for; nan where it asks for nothing known."""
    known = [journey.steps[journey.step_names.index(g)] for g in parse_goals(goal)
             if g in journey.step_names]  # fmt: skip
    return max((float(step.commitment) for step in known if step.kind == "micro"), default=np.nan)


def _cost(
    found: list[Finding], study: Study, sends: MessageSends, confidence: float
) -> list[dict[str, Any]]:
    """Hold each message with a finding against the messages without any.

    What those lose that ask for no step cannot be counted: nobody can answer them.
    """
    if study.messages is None:
        return []
    n = len(study.messages)
    closed = sends.where(sends.window_closed)
    sent = np.bincount(closed.message, minlength=n).astype(float)
    answered = np.bincount(closed.message[closed.responded], minlength=n).astype(float)
    sound = np.ones(n, bool)
    sound[[row for _, row, _ in found]] = False
    sound &= np.array([bool(parse_goals(goal)) for goal in study.messages["goal"]])
    usual = answered[sound].sum() / sent[sound].sum() if sent[sound].sum() else None
    low, high = wilson_interval(answered, sent, confidence=confidence)
    rows = []
    for kind, row, detail in found:
        message = study.messages.iloc[row]
        place = message["position"]
        line: dict[str, Any] = {
            "kind": kind,
            "message": message["message_id"],
            "campaign": message["campaign_id"],
            "position": None if pd.isna(place) else int(place),
            "detail": detail,
            "description": SAYS[kind],
            "sends": int(sent[row]),
        }
        if sent[row] and kind not in ("no_goal", "unknown_goal"):
            rate = answered[row] / sent[row]
            line |= {"responses": int(answered[row]), "rate": rate, "rate_low": low[row]}
            line |= {"rate_high": high[row], "reference_rate": usual}
            line["lost_responses"] = None if usual is None else (usual - rate) * sent[row]
        rows.append(line)
    return rows


def _unasked(study: Study, sends: MessageSends) -> list[dict[str, Any]]:
    """Name the micro-conversions that no message asks for."""
    if study.messages is None:
        return []
    asked = {name for goal in study.messages["goal"] for name in parse_goals(goal)}
    did: Bools = study.journey.kinds[study.step] == MICRO
    done = np.bincount(study.step[did], minlength=len(study.journey))
    return [
        {
            "kind": "step_without_message",
            "detail": f"{name}: done {done[study.journey.code_of(name)]:,} times all the same",
            "description": SAYS["step_without_message"],
        }
        for name in study.names_of("micro")
        if name not in asked
    ]


def _says(table: pd.DataFrame) -> tuple[str, ...]:
    """Say each kind of finding once, with its messages, and what they lose together."""
    if len(table) == 0:
        return ("The sequence has none of the faults that are looked for.",)
    says = []
    for kind, rows in table.groupby("kind", sort=False):
        if kind == "step_without_message":
            steps = (text.rpartition(":")[0] for text in rows["detail"])
            says.append(f"No message asks for {listed(steps, most=MOST_NAMED)}.")
            continue
        names = ", ".join(
            f"`{message}`" + (f" ({detail})" if detail else "")
            for message, detail in zip(rows["message"], rows["detail"], strict=True)
        )
        lost = pd.to_numeric(rows["lost_responses"]).sum()
        told = f" Messages without a finding would have got about {lost:,.0f} answers more."
        says.append(f"{len(rows)} × {SAYS[str(kind)]}: {names}." + (told if lost >= 1 else ""))
    return tuple(says)
