"""Do completers of a sequence convert at so many times the rate? Yes, no, or cannot tell.

A dashboard's ratio cannot answer it: whoever is keen completes more and buys
more. The answer rests on those who did the same steps in another order, who
were as keen; and on prospects with as many opens. It is an association unless
who completes the sequence was left to chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from microconv.measurement.impact.comparison import Comparison, ratio_columns

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
