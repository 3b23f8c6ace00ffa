"""Answers to messages that ask for a decision: after a step, and at other times.

Where every step of the last stage is a click on a link of a message, nobody
decides of their own accord, and the days that pass say little: a prospect can
only answer when asked. So sends take the place of days. Messages differ in how
many answer them, and later ones ask for more; each ask counts as what the
message gets from those whom it does not meet in the time after the step.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from microconv.measurement.study.message_sends import MessageSends
from microconv.measurement.study.study import Bools, Floats, Study


def asked_to_decide(study: Study, sends: MessageSends) -> MessageSends:
    """Keep the asks for a step of the last stage."""
    last = len(study.journey.stages) - 1
    return sends.where((sends.goal >= 0) & (study.journey.stage_codes[sends.goal] == last))


def made_after(study: Study, sends: MessageSends, steps: Bools, length: int) -> Bools:
    """Mark the sends made in ``[step, step + length)`` of any of some steps.

    Parameters
    ----------
    steps : ndarray of bool, shape (n_steps,)
        Which steps of the journey.
    length : int
        In µs.
    """
    marked = np.zeros(len(sends), bool)
    asked = (sends.prospect, sends.time, length)
    _mark_after(study.offsets, study.time, steps[study.step], asked, marked)
    return marked


def answers_after(
    study: Study, sends: MessageSends, code: int, hidden: Bools, length: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Count each prospect's answers, and the answers to be expected, after a step and else.

    Parameters
    ----------
    sends : MessageSends
        For decisions; those that ask for the step itself are left out.
    code : int
        The step.
    hidden : ndarray of bool, shape (n_steps,)
        Steps in whose wake sends are left out.
    length : int
        How long the time after a step is, in µs.

    Returns
    -------
    tuple of ndarray of float64, shape (n_prospects,)
        Answers after and else, expected answers after and else: what
        :func:`~microconv.measurement.bottlenecks.self_controlled.self_controlled` takes.
    """
    kept = sends.where(~made_after(study, sends, hidden, length) & (sends.goal != code))
    after = made_after(study, kept, np.arange(len(study.journey)) == code, length)
    size = int(kept.message.max(initial=-1)) + 1
    asked = np.bincount(kept.message[~after], minlength=size)
    answered = np.bincount(kept.message[~after], kept.responded[~after], minlength=size)
    expected = (answered / np.maximum(asked, 1))[kept.message]

    def per_prospect(chosen: Bools, amount: Floats) -> Floats:
        weights = np.where(chosen, amount, 0.0)
        return np.bincount(kept.prospect, weights, minlength=len(study)).astype(float)

    known = expected > 0  # what nobody answers at other times cannot be answered less
    hit = (kept.responded & known).astype(float)
    return (
        per_prospect(after, hit),
        per_prospect(~after, hit),
        per_prospect(after, expected),
        per_prospect(~after, expected),
    )


@njit(cache=True, nogil=True)
def _mark_after(offsets, time, done, sends, marked):  # type: ignore[no-untyped-def]
    prospect, at, length = sends
    for k in range(len(prospect)):
        for i in range(offsets[prospect[k]], offsets[prospect[k] + 1]):
            if done[i] and time[i] <= at[k] < time[i] + length:
                marked[k] = True
                break
