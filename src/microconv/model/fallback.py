"""The model for small data: a regression with an informative prior taken from the journey.

::

    logit = intercept + slope · points + sum over columns of deviation · column
    slope     ~ normal(log_odds_per_sd, prior_sd)
    deviation ~ normal(0, √inverse_penalty)        that of the ordinary regression

The points follow from the journey: each micro step counts (commitment / 5 + stage / stages) / 2
in every window it was done in, so the same step counts less the longer ago it was done. Points
and columns are standardised on the training rows, and the fit is the maximum a posteriori.
Twenty conversions leave the order of the points nearly as it is and determine their slope; the
more there are, the more the deviations take over.

A conversion is usually the label of several rows of its prospect. That is one observation and
not several, so the weights of all rows are scaled down until the conversions weigh their number.
"""

from __future__ import annotations

import numpy as np

from microconv.journey import JourneyMap
from microconv.model.logistic import row_losses, sigmoid
from microconv.model.regression import DesignMatrix, Regression
from microconv.model.training_rows import Floats, Mask
from microconv.settings import ModelSettings

MAX_COMMITMENT = 5


def fit_fallback(
    design: DesignMatrix, labels: Mask, weights: Floats, *, points: Floats, settings: ModelSettings
) -> Regression:
    """Fit the regression with the journey's prior.

    Parameters
    ----------
    design : DesignMatrix
        Of the training rows.
    labels : ndarray of bool, shape (n_rows,)
        Of both classes.
    weights : ndarray of float64, shape (n_rows,)
        Of :func:`scale_to_conversions`.
    points : ndarray of float64, shape (n_columns,)
        Of :func:`commitment_points`; where no column has any, only the base rate and the
        deviations are fitted.
    settings : ModelSettings
        Its sections `fallback` and `regression`.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    matrix, prior = design.matrix, settings.fallback
    direction = np.zeros(matrix.shape[1])
    direction[: len(design.used)] = points[design.used] * design.unit.scale[design.used]
    spread = float((matrix @ direction).std())
    direction /= spread if spread > 0 else 1.0
    scale = np.sqrt(settings.regression.inverse_penalty)
    score, target = matrix @ direction, labels.astype(np.float64)

    def loss(at: Floats) -> tuple[float, Floats]:
        """Return the negative log posterior and its gradient, deviations in units of `scale`."""
        logit = at[0] + at[1] * score + matrix @ (scale * at[2:])
        residual = weights * (sigmoid(logit) - target)
        z = (at[1] - prior.log_odds_per_sd) / prior.prior_sd
        total = float(weights @ row_losses(logit, labels) + (z**2 + at[2:] @ at[2:]) / 2)
        gradient = np.concatenate(
            [
                [residual.sum(), residual @ score + z / prior.prior_sd],
                scale * (residual @ matrix) + at[2:],
            ]
        )
        return total, gradient

    rate = float(np.average(labels, weights=weights))
    start = np.zeros(matrix.shape[1] + 2)
    start[:2] = np.log(rate / (1 - rate)), prior.log_odds_per_sd
    with threadpool_limits(1):  # several threads add up in varying order
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-12}
        ).x
    return design.to_regression(float(found[0]), found[1] * direction + scale * found[2:])


def commitment_points(names: list[str], journey: JourneyMap) -> Floats:
    """Return the points of one event in each column, on the scale of log(1 + count).

    Parameters
    ----------
    names : list of str, length n_columns
    journey : JourneyMap

    Returns
    -------
    ndarray of float64, shape (n_columns,)
        0 except for the counts of micro steps.
    """
    points = {
        step.name: (
            step.commitment / MAX_COMMITMENT
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
        while family == "counts" and step and step not in points:  # a window may be `0.5d`
            step = step.rpartition(".")[0]
        if family == "counts":
            out[position] = points.get(step, 0.0)
    return out


def scale_to_conversions(weights: Floats, labels: Mask, conversions: int) -> Floats:
    """Scale weights down until the rows that converted weigh no more than their conversions.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_rows,)
    labels : ndarray of bool, shape (n_rows,)
    conversions : int

    Examples
    --------
    >>> labels = np.array([True, True, False, False])
    >>> scale_to_conversions(np.ones(4), labels, 1).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    return weights * min(1.0, conversions / float(weights[labels].sum()))
