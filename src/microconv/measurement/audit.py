"""Audit of the email sequence: goals, calls to action, stages and commitment of the messages."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from microconv.errors import listed
from microconv.journey import JourneyMap
from microconv.measurement.section import MAX_NAMED, Section
from microconv.measurement.stats.intervals import wilson_interval
from microconv.measurement.study.message_sends import (
    MessageSends,
    is_outside_stage,
    parse_goals,
)
from microconv.measurement.study.study import Study
from microconv.settings import AuditSettings

DESCRIPTIONS = {
    "no_goal": "no goal: the message leads to no step",
    "unknown_goal": "unknown goal: it is not a micro-conversion of the journey",
    "several_goals": "several goals in one message",
    "generic_cta": "generic call to action that does not say what follows",
    "stage_behind": "most recipients are past the stage of the message",
    "stage_ahead": "most recipients have not reached the stage of the message",
    "commitment_rise": "requires much more commitment than any earlier message of its campaign",
    "step_without_message": "this step is the goal of no message",
}
"""Kind of finding → its description."""

MAJORITY = 0.5

COSTS = ("sends", "responses", "rate", "rate_low", "rate_high", "reference_rate", "lost_responses")

Finding = tuple[str, int, str]
"""Kind, row of the message, detail."""


def audit(
    study: Study, sends: MessageSends, settings: AuditSettings, *, confidence: float
) -> Section:
    """Check the sequence of messages for known faults and estimate what each one costs.

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
        Table `findings`: each finding with its message and, where there is data,
        its sends, responses and response rate, the rate of the messages without a
        finding, and the responses lost by comparison.
    """
    messages = study.messages
    if messages is None or len(messages) == 0:
        return Section(
            missing=(
                "There is no table of messages, so the sequence cannot be audited. Add one (a "
                "source of the format `messages`: goal, subject, call to action, position).",
            )
        )
    found = [
        *_check_wording(messages, study.journey, settings),
        *_check_stages(study, sends),
        *_check_commitment(messages, study.journey, settings),
    ]
    rows = [*_with_costs(found, messages, sends, confidence), *_steps_without(study, messages)]
    columns = ["kind", "message", "campaign", "position", "detail", "description", *COSTS]
    table = pd.DataFrame(rows, columns=columns)
    missing = []
    if len(sends) == 0:
        missing.append("No event belongs to one of the messages, so no finding has a cost.")
    if messages["cta"].isna().all():
        missing.append("No message has a call to action (`cta`), so none is checked.")
    return Section(_summary(table), tuple(missing), {"findings": table} if rows else {})


def _check_wording(
    messages: pd.DataFrame, journey: JourneyMap, settings: AuditSettings
) -> list[Finding]:
    """Check goals and calls to action."""
    generic = {normalize(words) for words in settings.generic_ctas}
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
        if isinstance(cta, str) and normalize(cta) in generic:
            found.append(("generic_cta", row, cta))
    return found


def normalize(words: str) -> str:
    """Return a call to action in lower case, without all but letters, digits and single spaces.

    Examples
    --------
    >>> normalize("  Click HERE » ")
    'click here'
    """
    return " ".join(re.findall(r"[^\W_]+", words.casefold()))


def _check_stages(study: Study, sends: MessageSends) -> list[Finding]:
    """Compare the stage of each message with those of its recipients."""
    sends = sends.where(sends.goal >= 0)
    gap = sends.stage_gap(study.journey)
    found = []
    for row in np.unique(sends.message).tolist():
        own = gap[sends.message == row]
        for kind, outside in (
            ("stage_behind", own < 0),
            ("stage_ahead", is_outside_stage(own) & (own > 0)),
        ):
            if outside.mean() > MAJORITY:
                found.append((kind, row, f"{outside.mean():.0%} of {len(own):,} recipients"))
    return found


def _check_commitment(
    messages: pd.DataFrame, journey: JourneyMap, settings: AuditSettings
) -> list[Finding]:
    """Check how commitment rises along each campaign."""
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
            for row, commitment in zip(together["row"], together["commitment"], strict=True):
                if commitment - highest > settings.max_commitment_jump:
                    detail = f"from {highest:.0f} to {commitment:.0f}"
                    found.append(("commitment_rise", int(row), detail))
            highest = np.nanmax([highest, together["commitment"].max()])
    return found


def _commitment(goal: object, journey: JourneyMap) -> float:
    """Return the highest commitment of the goals of a message; nan where no goal is known."""
    goals = set(parse_goals(goal))
    levels = [s.commitment for s in journey.steps if s.kind == "micro" and s.name in goals]
    return float(max(levels, default=np.nan))


def _with_costs(
    found: list[Finding], messages: pd.DataFrame, sends: MessageSends, confidence: float
) -> list[dict[str, Any]]:
    """Compare each message with a finding with all messages without one.

    Messages without a known goal have no cost: nobody can respond to them.
    """
    n = len(messages)
    sends = sends.where(sends.window_closed)
    sent = np.bincount(sends.message, minlength=n).astype(float)
    responses = np.bincount(sends.message[sends.responded], minlength=n).astype(float)
    sound = np.array([bool(parse_goals(goal)) for goal in messages["goal"]])
    sound[[row for _, row, _ in found]] = False
    reference = responses[sound].sum() / sent[sound].sum() if sent[sound].sum() else None
    low, high = wilson_interval(responses, sent, confidence=confidence)
    rows = []
    for kind, row, detail in found:
        message = messages.iloc[row]
        position = message["position"]
        line: dict[str, Any] = {
            "kind": kind,
            "message": message["message_id"],
            "campaign": message["campaign_id"],
            "position": None if pd.isna(position) else int(position),
            "detail": detail,
            "description": DESCRIPTIONS[kind],
            "sends": int(sent[row]),
        }
        if sent[row] and kind not in ("no_goal", "unknown_goal"):
            rate = responses[row] / sent[row]
            line |= {"responses": int(responses[row]), "rate": rate, "rate_low": low[row]}
            line |= {"rate_high": high[row], "reference_rate": reference}
            line["lost_responses"] = None if reference is None else (reference - rate) * sent[row]
        rows.append(line)
    return rows


def _steps_without(study: Study, messages: pd.DataFrame) -> list[dict[str, Any]]:
    """List the micro-conversions that are the goal of no message, and how often they are done."""
    goals = {name for goal in messages["goal"] for name in parse_goals(goal)}
    done = np.bincount(study.step, minlength=len(study.journey))
    return [
        {
            "kind": "step_without_message",
            "detail": f"{name}: done {done[study.journey.code_of(name)]:,} times anyway",
            "description": DESCRIPTIONS["step_without_message"],
        }
        for name in study.names_of("micro")
        if name not in goals
    ]


def _summary(table: pd.DataFrame) -> tuple[str, ...]:
    """Return one sentence per kind of finding, with its messages and their joint cost."""
    if len(table) == 0:
        return ("The audit found no faults in the sequence.",)
    summary = []
    for kind, rows in table.groupby("kind", sort=False):
        if kind == "step_without_message":
            steps = (text.rpartition(":")[0] for text in rows["detail"])
            summary.append(f"No message has the goal {listed(steps, most=MAX_NAMED)}.")
            continue
        names = ", ".join(
            f"`{message}`" + (f" ({detail})" if detail else "")
            for message, detail in zip(rows["message"], rows["detail"], strict=True)
        )
        lost = pd.to_numeric(rows["lost_responses"]).sum()
        cost = f" At the rate of messages without a finding: about {lost:,.0f} more responses."
        description = DESCRIPTIONS[str(kind)]
        text = f"{description[0].upper()}{description[1:]} ({len(rows)}): {names}."
        summary.append(text + (cost if lost >= 1 else ""))
    return tuple(summary)
