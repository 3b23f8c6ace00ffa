"""The model below the minimum: what a journey promises, corrected by the few conversions there are.

::

    logit = intercept + ahead · points + sum over columns of deviation · column
    ahead     ~ normal(log_odds_per_sd, prior_sd)
    deviation ~ normal(0, √inverse_penalty)        that of the regression

The points are the journey's own: each micro step counts (commitment / 5 + stage / stages) / 2
in every window it was done in, so that the same step counts less the longer ago it was done.
Points and columns are standardised on the training rows; the fit is the maximum of likelihood
times prior. Twenty conversions leave the order of the points nearly as it is and say how
much they are worth; the more there are, the more of the deviations is their own.

A conversion answers several rows of its prospect. That is one piece of evidence and not
several, so the rows' weights are scaled down until the conversions weigh what their number is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.journey import JourneyMap
from microconv.model.logistic import row_losses, sigmoid
from microconv.model.regression import Design, Regression
from microconv.model.training_rows import Floats, Mask
from microconv.settings import ModelSettings

MOST_COMMITMENT = 5


def fit_fallback(
    design: Design, labels: Mask, weights: Floats, *, points: Floats, settings: ModelSettings
) -> Regression:
    """Fit the regression that is held to the journey.

    Parameters
    ----------
    design : Design
        Of the training rows.
    labels : ndarray of bool, shape (n_rows,)
        Of both kinds.
    weights : ndarray of float64, shape (n_rows,)
        Of :func:`evidence`.
    points : ndarray of float64, shape (n_columns,)
        Of :func:`commitment_points`; where no column has any, only the base rate and the
        deviations are left.
    settings : ModelSettings
        Its sections `fallback` and `regression`.
    """
    believed = points[design.used] * design.unit.scale[design.used]
    ahead = np.zeros(design.matrix.shape[1])
    ahead[: len(believed)] = believed
    spread = float((design.matrix @ ahead).std())
    ahead /= spread if spread > 0 else 1.0
    found = _maximise(design.matrix, ahead, labels, weights, settings)
    reach = np.sqrt(settings.regression.inverse_penalty)
    return design.linear(float(found[0]), found[1] * ahead + reach * found[2:])


def commitment_points(names: list[str], journey: JourneyMap) -> Floats:
    """Say what one event of a step counts in each column, on the scale of log(1 + count).

    Parameters
    ----------
    names : list of str, length n_columns
    journey : JourneyMap

    Returns
    -------
    ndarray of float64, shape (n_columns,)
        0 but for the counts of micro steps.
    """
    worth = {
        step.name: (
            step.commitment / MOST_COMMITMENT
            + (journey.stages.index(step.stage) + 1) / len(journey.stages)
        )
        / 2
        for step in journey.steps
        if step.kind == "micro" and step.stage is not None
    }
    out = np.zeros(len(names))
    for position, name in enumerate(names):
        family, _, rest = name.partition(".")
        step = rest.rpartition(".")[0]
        while family == "counts" and step and step not in worth:  # a window may be `0.5d`
            step = step.rpartition(".")[0]
        if family == "counts":
            out[position] = worth.get(step, 0.0)
    return out


def evidence(weights: Floats, labels: Mask, conversions: int) -> Floats:
    """Scale weights down until the rows that converted weigh no more than their conversions.

    Examples
    --------
    >>> evidence(np.array([1.0, 1.0, 1.0, 1.0]), np.array([True, True, False, False]), 1).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    return weights * min(1.0, conversions / float(weights[labels].sum()))


def _maximise(
    matrix: Floats, ahead: Floats, labels: Mask, weights: Floats, settings: ModelSettings
) -> npt.NDArray[Any]:
    """Return the intercept, what the points are worth, and the deviations in units of theirs."""
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    fallback, reach = settings.fallback, np.sqrt(settings.regression.inverse_penalty)
    score, yes = matrix @ ahead, labels.astype(np.float64)

    def loss(at: Floats) -> tuple[float, Floats]:
        logit = at[0] + at[1] * score + matrix @ (reach * at[2:])
        off = weights * (sigmoid(logit) - yes)
        prior_sd = (at[1] - fallback.log_odds_per_sd) / fallback.prior_sd
        total = float(weights @ row_losses(logit, labels) + (prior_sd**2 + at[2:] @ at[2:]) / 2)
        slope = np.concatenate(
            [
                [off.sum(), off @ score + prior_sd / fallback.prior_sd],
                reach * (off @ matrix) + at[2:],
            ]
        )
        return total, slope

    rate = float(np.average(labels, weights=weights))
    start = np.zeros(matrix.shape[1] + 2)
    start[:2] = np.log(rate / (1 - rate)), fallback.log_odds_per_sd
    with threadpool_limits(1):  # sums of several threads are added in no fixed order
        done = minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-12}
        )
    return np.asarray(done.x)
