"""The baselines that a model must beat to be worth having.

==========  ==================================================================
base_rate   the training rows' share of conversions, for everybody
recency     most recently active first
activity    most active in the last 30 days first
opens       most opens in the last 30 days first (exposures with "open" in their name)
points      points for each recent micro step, by its commitment
forest      a random forest on counts, a standard model for comparison
==========  ==================================================================

The score of a rule becomes a probability by a logistic curve fitted on training rows (see
:mod:`microconv.model.regression`): the ranking is that of the rule, reversed if the training
rows convert in the opposite order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.errors import listed
from microconv.features.family import Columns
from microconv.features.row_view import RowView
from microconv.journey import JourneyMap
from microconv.model.logistic import sigmoid
from microconv.model.regression import fit_regression
from microconv.model.training_rows import Floats, Mask
from microconv.settings import ModelSettings, RegressionSettings

WEAK_PENALTY = RegressionSettings(inverse_penalty=1e4)
"""A curve on one column needs next to no penalty."""

MIN_PROBABILITY = 1e-4
"""A forest's probabilities are kept this far from 0 and 1, where log loss is infinite."""

MIN_LEAF = 5
"""Rows in a leaf of the forest."""

Predict = Callable[[Columns], Floats]
"""Returns a probability per row of `values`, shape (n_columns, n_rows)."""


@dataclass(frozen=True)
class BaselineInputs:
    """What a baseline is fitted on.

    Attributes
    ----------
    names : list of str
    values : ndarray of float32 or RowView, shape (n_columns, n_rows)
        Training rows only.
    labels : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,)
    journey : JourneyMap
    settings : ModelSettings
    threads : int or None
    """

    names: list[str]
    values: Columns | RowView = field(repr=False)
    labels: Mask = field(repr=False)
    weights: Floats = field(repr=False)
    journey: JourneyMap = field(repr=False)
    settings: ModelSettings = field(repr=False)
    threads: int | None = None


class MissingColumnsError(LookupError):
    """The columns of a baseline are not among the features."""


def fit_baselines(inputs: BaselineInputs) -> tuple[dict[str, Predict], dict[str, str]]:
    """Fit every baseline whose columns are available.

    Returns
    -------
    fitted : dict of str to callable
    left_out : dict of str to str
        The others, and why.
    """
    fitted: dict[str, Predict] = {}
    left_out: dict[str, str] = {}
    for name, fit in BASELINES.items():
        try:
            fitted[name] = fit(inputs)
        except MissingColumnsError as error:
            left_out[name] = str(error)
    return fitted, left_out


def _base_rate(inputs: BaselineInputs) -> Predict:
    rate = float(inputs.labels.mean())
    return lambda values: np.full(values.shape[1], rate)


def _recency(inputs: BaselineInputs) -> Predict:
    return _rule(inputs, ["recency.(any).last"])


def _activity(inputs: BaselineInputs) -> Predict:
    kinds = {step.kind for step in inputs.journey.steps}
    return _rule(inputs, [f"counts.kind={kind}.30d" for kind in sorted(kinds)])


def _opens(inputs: BaselineInputs) -> Predict:
    opened = [s.name for s in inputs.journey.steps if s.kind == "exposure" and "open" in s.name]
    return _rule(inputs, [f"counts.{name}.30d" for name in opened])


def _points(inputs: BaselineInputs) -> Predict:
    settings = inputs.settings.points
    window = f"{str(settings.within_days).removesuffix('.0')}d"
    steps = [step for step in inputs.journey.steps if step.kind == "micro"]
    points = np.array([settings.per_commitment * step.commitment for step in steps])
    return _rule(inputs, [f"counts.{step.name}.{window}" for step in steps], points)


def _forest(inputs: BaselineInputs) -> Predict:
    """Fit the forest on at most `max_rows` rows, drawn with the seed."""
    columns = np.array([i for i, n in enumerate(inputs.names) if n.startswith("counts.")])
    if len(columns) == 0:
        raise MissingColumnsError("it needs the columns of the family `counts`, and there are none")
    from sklearn.ensemble import RandomForestClassifier

    settings, seed = inputs.settings.forest, inputs.settings.seed
    rows = np.arange(len(inputs.labels))
    if len(rows) > settings.max_rows:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[: settings.max_rows])
    model = RandomForestClassifier(
        settings.trees,
        min_samples_leaf=MIN_LEAF,
        random_state=seed,
        n_jobs=inputs.threads or -1,
    )
    x = np.ascontiguousarray(np.array([inputs.values[column][rows] for column in columns]).T)
    model.fit(x, inputs.labels[rows], sample_weight=inputs.weights[rows])

    return partial(_average_trees, columns=columns, trees=model.estimators_)


def _average_trees(values: Columns, *, columns: npt.NDArray[np.intp], trees: list[Any]) -> Floats:
    """Return the mean of the trees' probabilities, summed in a fixed order."""
    rows = np.ascontiguousarray(values[columns].T)
    total = np.zeros(len(rows))
    for tree in trees:
        total += tree.predict_proba(rows)[:, 1]
    mean: Floats = np.clip(total / len(trees), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return mean


def _rule(inputs: BaselineInputs, wanted: list[str], points: Floats | None = None) -> Predict:
    positions = {name: position for position, name in enumerate(inputs.names)}
    missing = [name for name in wanted if name not in positions]
    if missing or not wanted:
        raise MissingColumnsError(
            f"it needs the columns {listed(missing)}, which the feature settings do not make"
            if wanted
            else "the journey has no step of its kind"
        )
    columns = np.array([positions[name] for name in wanted])
    score = _score(inputs.values, columns, points)
    curve = fit_regression(score, inputs.labels, inputs.weights, WEAK_PENALTY)
    return lambda values: sigmoid(curve.logit(_score(values, columns, points)))


def _score(
    values: Columns | RowView, columns: npt.NDArray[np.intp], points: Floats | None
) -> Columns:
    """Return the sum of columns, or of the points of those above zero, as one column."""
    total = np.zeros((1, values.shape[1]))
    for position, column in enumerate(columns):
        x = values[column]
        total[0] += x if points is None else points[position] * (x > 0)
    return total.astype(np.float32)


BASELINES: dict[str, Callable[[BaselineInputs], Predict]] = {
    "base_rate": _base_rate,
    "recency": _recency,
    "activity": _activity,
    "opens": _opens,
    "points": _points,
    "forest": _forest,
}
"""Every baseline by its name."""
