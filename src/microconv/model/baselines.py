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
from typing import Any, Protocol

import numpy as np

from microconv.errors import listed
from microconv.features.family import Columns
from microconv.features.row_view import RowView
from microconv.journey import JourneyMap
from microconv.model.logistic import sigmoid
from microconv.model.regression import Regression, fit_regression
from microconv.model.training_rows import Floats, Mask
from microconv.settings import ModelSettings, RegressionSettings

WEAK_PENALTY = RegressionSettings(inverse_penalty=1e4)
"""A curve on one column needs next to no penalty."""

MIN_PROBABILITY = 1e-4
"""A forest's probabilities are kept this far from 0 and 1, where log loss is infinite."""

MIN_LEAF = 5
"""Rows in a leaf of the forest."""


class Predictor(Protocol):
    """Anything that turns columns into probabilities."""

    def predict(self, values: Columns) -> Floats:
        """Return one probability per row of ``values``, shape (n_columns, n_rows)."""
        ...


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


@dataclass(frozen=True)
class BaseRate:
    """The same probability for everybody."""

    rate: float

    def predict(self, values: Columns) -> Floats:
        """Return the rate for every row."""
        return np.full(values.shape[1], self.rate)


@dataclass(frozen=True)
class Rule:
    """A score from a few columns, and the curve that makes it a probability.

    Attributes
    ----------
    columns : ndarray of int
    points : ndarray of float64 or None
        Points for each column that is above zero; None adds the columns up.
    curve : Regression
        On the score as its only column.
    """

    columns: np.ndarray[Any, np.dtype[np.intp]] = field(repr=False)
    points: Floats | None = field(repr=False)
    curve: Regression = field(repr=False)

    def predict(self, values: Columns) -> Floats:
        """Return the probability of each row's score."""
        return sigmoid(self.curve.logit(_score(values, self.columns, self.points)))


def _score(
    values: Columns | RowView, columns: np.ndarray[Any, np.dtype[np.intp]], points: Floats | None
) -> Columns:
    """Return the sum of columns, or of the points of those above zero, as one column."""
    total = np.zeros((1, values.shape[1]))
    for position, column in enumerate(columns):
        x = values[column]
        total[0] += x if points is None else points[position] * (x > 0)
    return total.astype(np.float32)


@dataclass(frozen=True)
class Forest:
    """Trees on counts; evaluated one after the other, so that the sum has a fixed order."""

    columns: np.ndarray[Any, np.dtype[np.intp]] = field(repr=False)
    trees: list[Any] = field(repr=False)

    def predict(self, values: Columns) -> Floats:
        """Return the mean of the trees' probabilities."""
        rows = np.ascontiguousarray(values[self.columns].T)
        total = np.zeros(len(rows))
        for tree in self.trees:
            total += tree.predict_proba(rows)[:, 1]
        mean: Floats = np.clip(total / len(self.trees), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        return mean


def fit_baselines(inputs: BaselineInputs) -> tuple[dict[str, Predictor], dict[str, str]]:
    """Fit every baseline whose columns are available.

    Returns
    -------
    fitted : dict of str to Predictor
    left_out : dict of str to str
        The others, and why.
    """
    fitted: dict[str, Predictor] = {}
    left_out: dict[str, str] = {}
    for name, fit in BASELINES.items():
        try:
            fitted[name] = fit(inputs)
        except MissingColumnsError as error:
            left_out[name] = str(error)
    return fitted, left_out


def _base_rate(inputs: BaselineInputs) -> BaseRate:
    return BaseRate(float(inputs.labels.mean()))


def _recency(inputs: BaselineInputs) -> Rule:
    return _rule(inputs, ["recency.(any).last"])


def _activity(inputs: BaselineInputs) -> Rule:
    kinds = {step.kind for step in inputs.journey.steps}
    return _rule(inputs, [f"counts.kind={kind}.30d" for kind in sorted(kinds)])


def _opens(inputs: BaselineInputs) -> Rule:
    opened = [s.name for s in inputs.journey.steps if s.kind == "exposure" and "open" in s.name]
    return _rule(inputs, [f"counts.{name}.30d" for name in opened])


def _points(inputs: BaselineInputs) -> Rule:
    settings = inputs.settings.points
    window = f"{str(settings.within_days).removesuffix('.0')}d"
    steps = [step for step in inputs.journey.steps if step.kind == "micro"]
    points = np.array([settings.per_commitment * step.commitment for step in steps])
    return _rule(inputs, [f"counts.{step.name}.{window}" for step in steps], points)


def _forest(inputs: BaselineInputs) -> Forest:
    """Fit the forest on at most `max_rows` rows, drawn with the seed."""
    columns = np.array([i for i, n in enumerate(inputs.names) if n.startswith("counts.")])
    if len(columns) == 0:
        raise MissingColumnsError("it needs the columns of the family `counts`, and there are none")
    from sklearn.ensemble import RandomForestClassifier

    settings = inputs.settings.forest
    rows = np.arange(len(inputs.labels))
    if len(rows) > settings.max_rows:
        draw = np.random.default_rng(inputs.settings.seed).permutation(rows)[: settings.max_rows]
        rows = np.sort(draw)
    model = RandomForestClassifier(
        settings.trees,
        min_samples_leaf=MIN_LEAF,
        random_state=inputs.settings.seed,
        n_jobs=inputs.threads or -1,
    )
    x = np.ascontiguousarray(np.array([inputs.values[column][rows] for column in columns]).T)
    model.fit(x, inputs.labels[rows], sample_weight=inputs.weights[rows])
    return Forest(columns, model.estimators_)


def _rule(inputs: BaselineInputs, wanted: list[str], points: Floats | None = None) -> Rule:
    positions = {name: position for position, name in enumerate(inputs.names)}
    absent = [name for name in wanted if name not in positions]
    if absent or not wanted:
        raise MissingColumnsError(
            f"it needs the columns {listed(absent)}, which the feature settings do not make"
            if wanted
            else "the journey has no step of its kind"
        )
    columns = np.array([positions[name] for name in wanted])
    column = _score(inputs.values, columns, points)
    return Rule(
        columns, points, fit_regression(column, inputs.labels, inputs.weights, WEAK_PENALTY)
    )


BASELINES: dict[str, Callable[[BaselineInputs], Predictor]] = {
    "base_rate": _base_rate,
    "recency": _recency,
    "activity": _activity,
    "opens": _opens,
    "points": _points,
    "forest": _forest,
}
"""Every baseline by its name."""
