"""Units of an experiment: the arm, outcome and covariates of each, dated from its assignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from microconv.errors import TimeError

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """The units of one experiment whose outcome window has closed.

    Attributes
    ----------
    arms : tuple of str
        The first is the control.
    arm : ndarray of int64, shape (n_units,)
        Position in `arms`.
    assigned : ndarray of int64, shape (n_units,)
        When each unit got its arm (µs since 1970, UTC).
    metric : ndarray of bool, shape (n_units,)
        Whether the metric step was done in `[assigned, assigned + within)`.
    guardrails : mapping of str to ndarray of bool
        Step → whether it happened in the same window.
    revenue : ndarray of float64 or None
        Revenue in the same window; None where no conversion has a value.
    before : ndarray of float64 or None
        Activity strictly before the assignment, the covariate for CUPED.
    segments : mapping of str to ndarray of str
        Attribute → its value for each unit.
    """

    arms: tuple[str, ...]
    arm: Ints
    assigned: Ints
    metric: Bools
    guardrails: Mapping[str, Bools] = field(default_factory=dict)
    revenue: Floats | None = None
    before: Floats | None = None
    segments: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.arm)

    def sizes(self) -> Ints:
        """Count the units of each arm, in the order of `arms`."""
        return np.bincount(self.arm, minlength=len(self.arms)).astype(np.int64)

    def counts(self, happened: Bools | None = None) -> Ints:
        """Count the units of each arm that did the metric step (or `happened`)."""
        chosen = self.arm[self.metric if happened is None else happened]
        return np.bincount(chosen, minlength=len(self.arms)).astype(np.int64)


def happened_within(assigned: Ints, metric_at: Ints, *, within: int) -> Bools:
    """Return which units did the metric step within the outcome window.

    Parameters
    ----------
    assigned, metric_at : ndarray of int64, shape (n_units,)
        µs since 1970; `metric_at` is the first time of the step, or
        :data:`~microconv.histories.arrays.NEVER`.
    within : int
        Length of the window, in µs.

    Returns
    -------
    ndarray of bool, shape (n_units,)

    Raises
    ------
    TimeError
        If a metric happened before its assignment: the arm cannot have caused it.

    Examples
    --------
    >>> from microconv.histories.arrays import NEVER
    >>> assigned = np.array([100, 100, 100])
    >>> happened_within(assigned, np.array([100, 149, NEVER]), within=49).tolist()
    [True, False, False]
    """
    early = metric_at < assigned
    if early.any():
        raise TimeError(
            f"The metric happened before the assignment for {int(early.sum())} of {len(early)} "
            "units, so the arm cannot have caused it. Use a metric from after the assignment, or "
            "leave these units out."
        )
    return np.asarray(metric_at - assigned < within)
