"""Reluctance after a step: the last stage's steps come less often for some time after it.

Each prospect is compared with themselves: the share of their steps of the last
stage that falls into the time after the step, against the share of their time at
risk that does (a self-controlled case series). What differs between prospects,
how keen they are above all, cancels. Clicks in messages and steps that answer one
are left out, as the sequence decides when those come. Where there are no others,
answers per ask take the place of steps per day (:mod:`~microconv.measurement.study.answers`).

Given that prospect i did n of them, and spent a of their time after the step and
b not, each falls after it with probability r a / (r a + b); r is found by maximum
likelihood (Farrington, Biometrics 51 (1995)).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from numba import njit

from microconv.histories.arrays import DAY
from microconv.journey import MICRO
from microconv.measurement.bottlenecks.bottleneck import Bottleneck
from microconv.measurement.stats.intervals import UNKNOWN, Ratio
from microconv.measurement.study.answers import answers_after, asked_to_decide, made_after
from microconv.measurement.study.message_sends import MessageSends
from microconv.measurement.study.study import Bools, Floats, Study
from microconv.settings import BottleneckSettings

BARRIER = 0.8
"""Less reluctance than this, with confidence, is not called a barrier."""

LEAST_COMMITMENT = 3


def find_barriers(
    study: Study, sends: MessageSends, settings: BottleneckSettings, *, confidence: float
) -> list[Bottleneck]:
    """Find the steps after which prospects hesitate to decide, the strongest first.

    Once one is found, the time after it is left out when the others are looked at:
    steps that come together would all seem to be one.
    """
    last = len(study.journey.stages) - 1
    candidates = _candidates(study, settings)
    if last == 0 or not candidates:
        return []
    length = round(settings.barrier_days * DAY)
    own, decisions = _own_decisions(study, sends), asked_to_decide(study, sends)
    alone = bool(own.any())
    strict = 1 - (1 - confidence) / len(candidates)
    found: list[Bottleneck] = []
    hidden = np.full(len(study.journey), False)
    while candidates:
        judged = {}
        for code in candidates:
            if alone:
                counts = _own_after(study, own, code, hidden, length)
            else:
                counts = answers_after(study, decisions, code, hidden, length)
            judged[code] = self_controlled(*counts, confidence=strict), counts
        best = min(
            candidates, key=lambda code: judged[code][0].high if judged[code][0].high > 0 else 9
        )
        ratio, counts = judged[best]
        if not (ratio.high < BARRIER):
            break
        lost = _Lost(ratio, int(counts[0].sum()), int((counts[2] > 0).sum()), alone)
        found.append(_barrier(study, best, lost, settings))
        hidden[best] = True
        candidates.remove(best)
    return found


def hesitant(
    study: Study, sends: MessageSends, barriers: list[Bottleneck], settings: BottleneckSettings
) -> Bools:
    """Mark the asks for a step of the last stage, made in the time after a barrier."""
    last = len(study.journey.stages) - 1
    names = [barrier.step for barrier in barriers]
    steps = np.isin(np.array(study.journey.step_names), names)
    marked = made_after(study, sends, steps, round(settings.barrier_days * DAY))
    return np.asarray(marked & (study.journey.stage_codes[sends.goal] == last))


def _own_decisions(study: Study, sends: MessageSends) -> Bools:
    """Mark the steps of the last stage that no message brought about."""
    last = len(study.journey.stages) - 1
    decides = (study.journey.kinds == MICRO) & (study.journey.stage_codes == last)
    return np.asarray(decides[study.step] & (study.message < 0) & ~_answers(study, sends))


def _candidates(study: Study, settings: BottleneckSettings) -> list[int]:
    if settings.barrier_steps:
        return [study.journey.code_of(name) for name in settings.barrier_steps]
    asked = study.journey.commitments >= LEAST_COMMITMENT
    return np.flatnonzero((study.journey.kinds == MICRO) & asked).tolist()


def _answers(study: Study, sends: MessageSends) -> Bools:
    """Mark the steps that answer a message: the first of the goal after each answered ask."""
    marked = np.zeros(len(study.time), bool)
    done = sends.where(sends.responded)
    _mark(study.offsets, study.time, study.step, (done.prospect, done.time, done.goal), marked)
    return marked


@njit(cache=True, nogil=True)
def _mark(offsets, time, step, answered, marked):  # type: ignore[no-untyped-def]
    prospect, at, goal = answered
    for k in range(len(prospect)):
        p = prospect[k]
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= at[k] and step[i] == goal[k]:
                marked[i] = True
                break


def _own_after(
    study: Study, own: Bools, code: int, hidden: Bools, length: int
) -> tuple[Floats, Floats, Floats, Floats]:
    lines = study.follow_up
    counts: tuple[Floats, Floats, Floats, Floats] = _count(
        (study.offsets, study.time, study.step, own),
        (lines.first_seen, lines.ended_at),
        (code, hidden, length),
    )
    return counts


@njit(cache=True, nogil=True)
def _count(events, spans, what):  # type: ignore[no-untyped-def]
    """Count each prospect's steps and days: after the step, and not after it."""
    offsets, time, step, counted = events
    start, end = spans
    code, hidden, length = what
    n = len(offsets) - 1
    after, other = np.zeros(n), np.zeros(n)
    days_after, days_other = np.zeros(n), np.zeros(n)
    for p in range(n):
        until, off = np.int64(-1), np.int64(-1)  # ends of the time after the step, and left out
        now = start[p]
        for i in range(offsets[p], offsets[p + 1] + 1):
            then = end[p] if i == offsets[p + 1] else min(time[i], end[p])
            if then > now:  # the time up to this event: left out, then after, then other
                left = min(max(off - now, 0), then - now)
                inside = min(max(until - now - left, 0), then - now - left)
                days_after[p] += inside
                days_other[p] += then - now - left - inside
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
    return after, other, days_after, days_other


def self_controlled(
    after: Floats, other: Floats, days_after: Floats, days_other: Floats, *, confidence: float
) -> Ratio:
    """Estimate how many times as often steps come after another, within prospects.

    Parameters
    ----------
    after, other : ndarray of float64, shape (n_prospects,)
        Steps in the time after, and in the other time.
    days_after, days_other : ndarray of float64, shape (n_prospects,)
        That time, in any unit.
    """
    from scipy.stats import norm

    used = (days_after > 0) & (days_other > 0) & (after + other > 0)
    hit, total = after[used], (after + other)[used]
    odds = days_after[used] / days_other[used]
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
    spread = 1 / sqrt(information)
    reach = float(norm.ppf((1 + confidence) / 2)) * spread
    p = float(2 * norm.sf(abs(beta) / spread))
    return Ratio(exp(beta), exp(beta - reach), exp(beta + reach), p)


@dataclass(frozen=True)
class _Lost:
    """How many times as often decisions come after a step, how many came, whom it met."""

    ratio: Ratio
    after: int
    people: int
    alone: bool


def _barrier(study: Study, code: int, met: _Lost, settings: BottleneckSettings) -> Bottleneck:
    ratio = met.ratio
    lost, high, low = (met.after * (1 / r - 1) for r in (ratio.ratio, ratio.low, ratio.high))
    stage = study.journey.stages[-1]
    come = "come" if met.alone else "that a message asks for are done"
    evidence = (
        f"For {settings.barrier_days:g} days after it, steps of the stage `{stage}` {come} "
        f"{ratio.ratio:.2f} times ({ratio.low:.2f} to {ratio.high:.2f}) as often as at the same "
        "prospects' other times."
    )
    name = study.journey.step_names[code]
    return Bottleneck("trust_barrier", name, None, met.people, lost, low, high, evidence)
