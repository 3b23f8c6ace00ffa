"""Trust barriers by self-controlled case series: decisions are rarer for some time after a step.

Each prospect is compared with themselves: the share of their decisions (steps of the last
stage) that falls into the time after the step, against the share of their time at risk that
does. What differs between prospects, above all how interested they are, cancels. Steps that
belong or respond to a message are left out, as the schedule of the messages decides when
those come.

Where every decision is a response to a message, time is not informative: a prospect can only
respond when a message comes. So message sends take the place of days. Messages differ in how
many responses they get, and later ones require more commitment; so each send counts as the
response rate of its message among those whom it does not reach in the time after the step.

Given that prospect i made n decisions, and spent a of their time after the step and b not,
each falls after it with probability r a / (r a + b); r is found by maximum likelihood
(Farrington, Biometrics 51 (1995)).
"""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
from numba import njit

from microconv.histories.arrays import DAY
from microconv.journey import MICRO
from microconv.measurement.bottlenecks import Bottleneck
from microconv.measurement.stats.intervals import UNKNOWN, Ratio
from microconv.measurement.study.message_sends import MessageSends
from microconv.measurement.study.study import Bools, Floats, Study
from microconv.settings import BottleneckSettings

MAX_BARRIER_RATIO = 0.8
"""A step is a barrier only if the ratio is below this, with confidence."""

MIN_COMMITMENT = 3
"""Without `barrier_steps`, barriers are looked for after steps of this commitment or more."""

Counts = tuple[Floats, Floats, Floats, Floats]
"""Per prospect: decisions after the step and at other times, time after it and other time."""


def find_barriers(
    study: Study, sends: MessageSends, settings: BottleneckSettings, *, confidence: float
) -> list[Bottleneck]:
    """Find the steps after which prospects hesitate to decide, the strongest first.

    Once one is found, the time after it is left out when the others are tested:
    steps that come together would all seem to be barriers.

    Parameters
    ----------
    study : Study
    sends : MessageSends
        All with a goal and an outcome.
    settings : BottleneckSettings
    confidence : float

    Returns
    -------
    list of Bottleneck
    """
    candidates = _candidates(study, settings)
    if len(study.journey.stages) == 1 or not candidates:
        return []
    length = round(settings.barrier_days * DAY)
    decisions = _unprompted_decisions(study, sends)
    prompted = sends.where(_has_decision_goal(study, sends))
    strict = 1 - (1 - confidence) / len(candidates)
    found: list[Bottleneck] = []
    hidden = np.full(len(study.journey), False)
    while candidates:
        results = {}
        for code in candidates:
            counts: Counts
            if decisions.any():
                follow_up = study.follow_up
                counts = _count(
                    (study.offsets, study.time, study.step, decisions),
                    (follow_up.first_seen, follow_up.ended_at),
                    (code, hidden, length),
                )
            else:
                counts = responses_after(study, prompted, code, hidden=hidden, length=length)
            results[code] = self_controlled(*counts, confidence=strict), counts
        best = min(
            candidates, key=lambda code: results[code][0].high if results[code][0].high > 0 else 9
        )
        ratio, counts = results[best]
        if not (ratio.high < MAX_BARRIER_RATIO):
            break
        events = "steps" if decisions.any() else "responses to messages"
        found.append(_barrier(study, best, (ratio, counts), events, settings))
        hidden[best] = True
        candidates.remove(best)
    return found


def sends_after_barriers(
    study: Study, sends: MessageSends, barriers: list[Bottleneck], settings: BottleneckSettings
) -> Bools:
    """Mark the sends with a goal of the last stage in the time after a barrier.

    Parameters
    ----------
    study : Study
    sends : MessageSends
    barriers : list of Bottleneck
    settings : BottleneckSettings

    Returns
    -------
    ndarray of bool, shape (n_sends,)
    """
    names = [barrier.step for barrier in barriers]
    steps = np.isin(np.array(study.journey.step_names), names)
    after = _sent_after(study, sends, steps, round(settings.barrier_days * DAY))
    return after & _has_decision_goal(study, sends)


def _has_decision_goal(study: Study, sends: MessageSends) -> Bools:
    last = len(study.journey.stages) - 1
    return np.asarray((sends.goal >= 0) & (study.journey.stage_codes[sends.goal] == last))


def _unprompted_decisions(study: Study, sends: MessageSends) -> Bools:
    """Mark the steps of the last stage that belong and respond to no message."""
    responses = np.zeros(len(study.time), bool)
    responded = sends.where(sends.responded)
    keys = (responded.prospect, responded.time, responded.goal)
    _mark_responses(study.offsets, study.time, study.step, keys, responses)
    last = len(study.journey.stages) - 1
    decides = (study.journey.kinds == MICRO) & (study.journey.stage_codes == last)
    return np.asarray(decides[study.step] & (study.message < 0) & ~responses)


def _candidates(study: Study, settings: BottleneckSettings) -> list[int]:
    if settings.barrier_steps:
        return [study.journey.code_of(name) for name in settings.barrier_steps]
    committed = study.journey.commitments >= MIN_COMMITMENT
    return np.flatnonzero((study.journey.kinds == MICRO) & committed).tolist()


@njit(cache=True, nogil=True)
def _mark_responses(offsets, time, step, sends, marked):  # type: ignore[no-untyped-def]
    """Mark the first event of the goal after each send."""
    prospect, sent_at, goal = sends
    for k in range(len(prospect)):
        p = prospect[k]
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= sent_at[k] and step[i] == goal[k]:
                marked[i] = True
                break


@njit(cache=True, nogil=True)
def _count(events, spans, what):  # type: ignore[no-untyped-def]
    """Count each prospect's decisions and time: after the step, and not after it."""
    offsets, time, step, counted = events
    start, end = spans
    code, hidden, length = what
    n = len(offsets) - 1
    after, other = np.zeros(n), np.zeros(n)
    time_after, time_other = np.zeros(n), np.zeros(n)
    for p in range(n):
        until, off = np.int64(-1), np.int64(-1)  # ends of the time after the step, and left out
        now = start[p]
        for i in range(offsets[p], offsets[p + 1] + 1):
            then = end[p] if i == offsets[p + 1] else min(time[i], end[p])
            if then > now:  # the time up to this event: left out, then after, then other
                left = min(max(off - now, 0), then - now)
                inside = min(max(until - now - left, 0), then - now - left)
                time_after[p] += inside
                time_other[p] += then - now - left - inside
                now = then
            if i == offsets[p + 1] or time[i] >= end[p]:
                break
            if counted[i] and time[i] >= start[p] and time[i] >= off and step[i] != code:
                if time[i] < until:
                    after[p] += 1
                else:
                    other[p] += 1
            if step[i] == code:
                until = time[i] + length
            elif hidden[step[i]]:
                off = time[i] + length
    return after, other, time_after, time_other


def responses_after(
    study: Study, sends: MessageSends, code: int, *, hidden: Bools, length: int
) -> Counts:
    """Count each prospect's responses, and those to be expected, after a step and otherwise.

    Parameters
    ----------
    study : Study
    sends : MessageSends
        All with a goal of the last stage; those with the step itself as goal are left out.
    code : int
        The step.
    hidden : ndarray of bool, shape (n_steps,)
        Sends in the time after these steps are left out.
    length : int
        How long the time after a step is, in µs.

    Returns
    -------
    tuple of ndarray of float64, shape (n_prospects,)
        Responses after the step and otherwise, expected responses after it and
        otherwise: what :func:`self_controlled` takes.
    """
    kept = sends.where(~_sent_after(study, sends, hidden, length) & (sends.goal != code))
    after = _sent_after(study, kept, np.arange(len(study.journey)) == code, length)
    size = int(kept.message.max(initial=-1)) + 1
    others = np.bincount(kept.message[~after], minlength=size)
    responses = np.bincount(kept.message[~after], kept.responded[~after], minlength=size)
    expected = (responses / np.maximum(others, 1))[kept.message]
    # a message without responses at other times cannot get fewer after the step
    responded = (kept.responded & (expected > 0)).astype(float)

    def per_prospect(chosen: Bools, amount: Floats) -> Floats:
        weights = np.where(chosen, amount, 0.0)
        return np.bincount(kept.prospect, weights, minlength=len(study)).astype(float)

    return (
        per_prospect(after, responded),
        per_prospect(~after, responded),
        per_prospect(after, expected),
        per_prospect(~after, expected),
    )


def _sent_after(study: Study, sends: MessageSends, steps: Bools, length: int) -> Bools:
    """Mark the sends in ``[step, step + length)`` of any of some steps."""
    marked = np.zeros(len(sends), bool)
    _mark_sends(study.offsets, study.time, steps[study.step], (sends.prospect, sends.time), length,
                marked)  # fmt: skip
    return marked


@njit(cache=True, nogil=True)
def _mark_sends(offsets, time, done, sends, length, marked):  # type: ignore[no-untyped-def]
    prospect, sent_at = sends
    for k in range(len(prospect)):
        for i in range(offsets[prospect[k]], offsets[prospect[k] + 1]):
            if done[i] and time[i] <= sent_at[k] < time[i] + length:
                marked[k] = True
                break


def self_controlled(
    after: Floats, other: Floats, time_after: Floats, time_other: Floats, *, confidence: float
) -> Ratio:
    """Estimate the rate ratio of decisions after a step, within prospects.

    Parameters
    ----------
    after, other : ndarray of float64, shape (n_prospects,)
        Decisions in the time after the step, and in the other time.
    time_after, time_other : ndarray of float64, shape (n_prospects,)
        That time, in any unit.
    confidence : float

    Returns
    -------
    Ratio
        Conditional maximum likelihood with a Wald interval of its logarithm;
        :data:`~microconv.measurement.stats.intervals.UNKNOWN` where all or none come after.
    """
    from scipy.stats import norm

    used = (time_after > 0) & (time_other > 0) & (after + other > 0)
    hit, total = after[used], (after + other)[used]
    odds = time_after[used] / time_other[used]
    if hit.sum() == 0 or hit.sum() == total.sum():
        return UNKNOWN
    beta = 0.0
    for _ in range(60):
        share = exp(beta) * odds / (exp(beta) * odds + 1)
        information = float((total * share * (1 - share)).sum())
        step = float((hit - total * share).sum()) / information
        beta += max(-1.0, min(1.0, step))
        if abs(step) < 1e-10:
            break
    error = 1 / sqrt(information)
    reach = float(norm.ppf((1 + confidence) / 2)) * error
    p = float(2 * norm.sf(abs(beta) / error))
    return Ratio(exp(beta), exp(beta - reach), exp(beta + reach), p)


def _barrier(
    study: Study, code: int, result: tuple[Ratio, Counts], events: str, settings: BottleneckSettings
) -> Bottleneck:
    ratio, (after, _, time_after, _) = result
    lost, high, low = (
        float(after.sum()) * (1 / r - 1) for r in (ratio.ratio, ratio.low, ratio.high)
    )
    evidence = (
        f"For {settings.barrier_days:g} days after it, {events} of the stage "
        f"`{study.journey.stages[-1]}` are {ratio.ratio:.2f} times ({ratio.low:.2f} to "
        f"{ratio.high:.2f}) as frequent as at other times of the same prospects."
    )
    affected = int((time_after > 0).sum())
    step = study.journey.step_names[code]
    return Bottleneck("trust_barrier", step, None, affected, lost, low, high, evidence)
