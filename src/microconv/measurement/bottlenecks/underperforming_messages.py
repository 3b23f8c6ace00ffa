"""Under-performing messages: a commitment jump, a stage mismatch, a weak value proposition.

Recipients for whom a message requires too much commitment, or is written for another stage,
are compared with its other recipients within strata of how much they had done and opened
before: the less engaged respond less to any message. Only then are messages compared with
each other, by those recipients whom they fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from microconv.histories.arrays import Int64
from microconv.measurement.bottlenecks import Bottleneck
from microconv.measurement.stats.intervals import Ratio, pooled_risk_ratio
from microconv.measurement.study.human_events import N_STRATA, activity_stratum
from microconv.measurement.study.message_sends import MessageSends, is_outside_stage
from microconv.measurement.study.study import Bools, Floats, Study

MAJORITY = 0.5
"""A problem of fewer than half of the recipients is not one of the message."""

UNDERPERFORMING = 0.5
"""A message under-performs if its ratio to the others is below this, with confidence."""

OPENED_AS_OFTEN = 0.9
ACROSS_SEGMENTS = 0.8
MIN_SENDS = 50


@dataclass(frozen=True)
class SequenceMessage:
    """One message of the sequence, its variants and campaigns together.

    Attributes
    ----------
    step : str
        Its goal.
    position : int or None
    sends : MessageSends
    commitment_gap : ndarray of int64, shape (n_sends,)
        Levels of commitment beyond the next one of each recipient.
    stage_gap : ndarray of int64, shape (n_sends,)
        Stages from the recipient's to the goal's; below 0 where it is behind.
    explained : ndarray of bool, shape (n_sends,)
        Sends whose outcome another bottleneck explains.
    rise : int
        Levels of commitment above any earlier message of its campaign.
    """

    step: str
    position: int | None
    sends: MessageSends
    commitment_gap: Int64
    stage_gap: Int64
    explained: Bools
    rise: int

    def fitting_sends(self) -> MessageSends:
        """Return the sends to recipients whom the message fits."""
        fits = (self.commitment_gap <= 0) & (self.stage_gap >= 0) & ~self.explained
        return self.sends.where(fits)

    def bottleneck(self, kind: str, hit: Bools, ratio: Ratio, evidence: str) -> Bottleneck:
        """Return a bottleneck of this message, with the responses that it loses.

        Parameters
        ----------
        kind : str
        hit : ndarray of bool, shape (n_sends,)
            The affected sends.
        ratio : Ratio
            Response rate of the affected sends over that of comparable ones.
        evidence : str

        Returns
        -------
        Bottleneck
        """
        responses = float(self.sends.responded[hit].sum())
        affected = int(hit.sum())
        lost, high, low = (
            min(affected - responses, responses * (1 / r - 1))
            for r in (ratio.ratio, ratio.low, ratio.high)
        )
        return Bottleneck(kind, self.step, self.position, affected, lost, low, high, evidence)


def find_underperforming_messages(
    study: Study, sends: MessageSends, explained: Bools, *, min_sends: int, confidence: float
) -> list[Bottleneck]:
    """Find the messages that get fewer responses than they could, and classify them.

    Parameters
    ----------
    study : Study
    sends : MessageSends
        All with a goal and an outcome.
    explained : ndarray of bool, shape (n_sends,)
        Sends whose outcome another bottleneck explains; messages are not compared by them.
    min_sends : int
        Messages with fewer sends are left out.
    confidence : float

    Returns
    -------
    list of Bottleneck
        At most one per message.
    """
    messages = [m for m in _sequence(study, sends, explained) if len(m.sends) >= min_sends]
    found = (
        _commitment_jump(message, confidence)
        or _stage_mismatch(study, message, messages, confidence)
        or _weak_value_proposition(study, message, messages, confidence)
        for message in messages
    )
    return [bottleneck for bottleneck in found if bottleneck is not None]


def _sequence(study: Study, sends: MessageSends, explained: Bools) -> list[SequenceMessage]:
    """Group sends by goal and position in the sequence."""
    if study.messages is None:
        return []
    journey = study.journey
    places = study.messages["position"].astype("Int64").to_numpy(np.int64, na_value=-1)
    positions = places.astype(np.int64)[sends.message]
    campaigns = pd.factorize(study.messages["campaign_id"])[0].astype(np.int64)[sends.message]
    rises = _commitment_rises(campaigns, positions, journey.commitments[sends.goal])
    commitment_gap, stage_gap = sends.commitment_gap(journey), sends.stage_gap(journey)
    found = []
    for goal, position in sorted(set(zip(sends.goal.tolist(), positions.tolist(), strict=True))):
        own = (sends.goal == goal) & (positions == position)
        found.append(
            SequenceMessage(
                step=journey.step_names[goal],
                position=None if position < 0 else position,
                sends=sends.where(own),
                commitment_gap=commitment_gap[own],
                stage_gap=stage_gap[own],
                explained=explained[own],
                rise=int(rises[own].max()),
            )
        )
    return found


def _commitment_rises(
    campaigns: Int64, positions: Int64, commitments: np.ndarray[tuple[int], np.dtype[np.int8]]
) -> Int64:
    """Return how many levels above the highest so far in its campaign the goal of each send is."""
    table = pd.DataFrame(
        {"campaign": campaigns, "position": positions, "level": commitments.astype(np.int64)}
    )
    steps = table.drop_duplicates().groupby(["campaign", "position"])["level"].max().reset_index()
    highest = steps.groupby("campaign")["level"].cummax().groupby(steps["campaign"]).shift()
    steps["rise"] = (steps["level"] - highest.fillna(steps["level"])).astype(int)
    merged = table.merge(steps.drop(columns="level"), on=["campaign", "position"], how="left")
    return merged["rise"].to_numpy(np.int64)


def _commitment_jump(message: SequenceMessage, confidence: float) -> Bottleneck | None:
    """Check for a commitment far above that of earlier messages and of the recipients."""
    far = message.commitment_gap > 0
    if message.rise < 2 or far.mean() < MAJORITY:
        return None
    ratio = _compare([(message.sends, far, message.sends.responded)], confidence)
    if not ratio.high < 1:
        return None
    return message.bottleneck(
        "commitment_jump", far, ratio,
        f"It requires {message.rise} levels of commitment more than any earlier message; "
        f"{far.mean():.0%} of its recipients had done nothing within one level of it. They respond "
        f"{_times(ratio)} as often as its other recipients with the same activity and opens.",
    )  # fmt: skip


def _stage_mismatch(
    study: Study, message: SequenceMessage, messages: list[SequenceMessage], confidence: float
) -> Bottleneck | None:
    """Check for content behind the stage of the recipients, or more than one stage ahead.

    Where most recipients are at another stage, few of the same message are left to compare
    with: so the effect of the mismatch is measured within all messages.
    """
    outside = is_outside_stage(message.stage_gap)
    if outside.mean() < MAJORITY:
        return None
    parts = [(m.sends, is_outside_stage(m.stage_gap), m.sends.responded) for m in messages]
    ratio = _compare(parts, confidence)
    if not ratio.high < 1:
        return None
    stage = study.journey.stages[int(np.median(message.stage_gap + message.sends.stage))]
    return message.bottleneck(
        "stage_mismatch", outside, ratio,
        f"It is written for the stage `{stage}`, but {outside.mean():.0%} of its recipients are "
        "past that stage or more than one stage before it. In all messages such recipients "
        f"respond {_times(ratio)} as often as others with the same activity and opens.",
    )  # fmt: skip


def _weak_value_proposition(
    study: Study, message: SequenceMessage, messages: list[SequenceMessage], confidence: float
) -> Bottleneck | None:
    """Check for a message that fits its recipients and is opened, but gets few responses."""
    own = message.fitting_sends()
    others = [each.fitting_sends() for each in messages if each is not message]
    if not others or len(own) < MIN_SENDS:
        return None
    both = MessageSends(
        **{
            name: np.concatenate([column, *(getattr(other, name) for other in others)])
            for name, column in vars(own).items()
        }
    )
    here = np.arange(len(both)) < len(own)
    ratio = _compare([(both, here, both.responded)], confidence)
    if not ratio.high < UNDERPERFORMING:
        return None
    kind, evidence = "unknown", "Opens are not recorded."
    if both.opened.any():
        opens = float(both.opened[here].mean() / both.opened[~here].mean())
        readers, here = both.where(both.opened), here[both.opened]
        clicks = _compare([(readers, here, readers.clicked)], confidence)
        fewer = _segments_with_fewer_clicks(study, readers, here, confidence)
        spread = float(np.mean(fewer)) if fewer else 1.0
        evidence = (
            f"Its open rate is {opens:.2f} times and its click rate {clicks.ratio:.2f} times that "
            "of the other messages."
        )
        if opens >= OPENED_AS_OFTEN and clicks.high < UNDERPERFORMING and spread >= ACROSS_SEGMENTS:
            kind = "value_proposition"
            evidence = (
                f"Its open rate is {opens:.2f} times that of the other messages, but its readers "
                f"click {_times(clicks)} as often"
                + (f", in {spread:.0%} of {len(fewer)} segments" if fewer else "") + "."
            )  # fmt: skip
    everyone = np.ones(len(message.sends), bool)
    text = f"Recipients whom it fits respond {_times(ratio)} as often as those of other messages."
    return message.bottleneck(kind, everyone, ratio, f"{text} {evidence}")


def _segments_with_fewer_clicks(
    study: Study, readers: MessageSends, here: Bools, confidence: float
) -> list[bool]:
    """Return, for each large enough segment, whether the readers of the message click less."""
    fewer = []
    for groups in study.segments.values():
        codes = groups.codes[readers.prospect]
        for code in range(len(groups.labels)):
            inside = codes == code
            if (inside & here).sum() >= MIN_SENDS and (inside & ~here).sum() >= MIN_SENDS:
                among = readers.where(inside)
                ratio = _compare([(among, here[inside], among.clicked)], confidence)
                fewer.append(ratio.high < 1)
    return fewer


def _compare(parts: Sequence[tuple[MessageSends, Bools, Bools]], confidence: float) -> Ratio:
    """Compare risks within each part and its strata of activity and opens.

    A part is sends, which of them are exposed, and which had the outcome.
    """
    tables = [_by_stratum(*part) for part in parts]
    cases, people = (
        tuple(np.concatenate([table[k][side] for table in tables]) for side in (0, 1))
        for k in (0, 1)
    )
    return pooled_risk_ratio((cases[0], cases[1]), (people[0], people[1]), confidence=confidence)


def _by_stratum(
    sends: MessageSends, exposed: Bools, happened: Bools
) -> tuple[tuple[Floats, Floats], ...]:
    """Count cases and people of each stratum, the exposed first."""
    stratum = activity_stratum(sends.opens_before, sends.steps_before)
    return tuple(
        (
            np.bincount(stratum[exposed & kept], minlength=N_STRATA).astype(float),
            np.bincount(stratum[~exposed & kept], minlength=N_STRATA).astype(float),
        )
        for kept in (happened, np.ones(len(sends), bool))
    )


def _times(ratio: Ratio) -> str:
    return f"{ratio.ratio:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"
