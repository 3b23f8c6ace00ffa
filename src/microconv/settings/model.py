"""`backtest` and `model`: how models are trained and tested."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from microconv.settings.section import Count, Days, Section, Seed, Share


class BacktestSettings(Section):
    """Walk-forward folds, planned from dates alone.

    Attributes
    ----------
    folds : int
        Number of test blocks, walking back from the last closed window.
    test_snapshots : int
        Number of consecutive `as_of` dates in a test block.
    min_train_snapshots : int
        A fold with fewer training dates is not planned.
    label_lag_days : float
        Extra embargo: how long an outcome may take to become known.
    """

    folds: Count
    test_snapshots: Count
    min_train_snapshots: Count = 2
    label_lag_days: Annotated[float, Field(ge=0)] = 0

    @property
    def label_lag(self) -> timedelta:
        """The extra embargo as a duration."""
        return timedelta(days=self.label_lag_days)


class TreeSettings(Section):
    """LightGBM parameters, passed on under their own names; the defaults are for few conversions.

    Attributes
    ----------
    num_iterations : int
        Number of trees.
    learning_rate : float
        Shrinkage of each tree.
    num_leaves : int
        Leaves of a tree, at most.
    min_data_in_leaf : int
        Rows in a leaf, at least.
    feature_fraction : float
        Share of the columns that a tree may use.
    bagging_fraction : float
        Share of the rows that a tree is fitted on.
    lambda_l2 : float
        L2 penalty on the values of the leaves.
    """

    num_iterations: Count = 150
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.04
    num_leaves: Annotated[int, Field(ge=2)] = 4
    min_data_in_leaf: Count = 100
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.2
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] = 0.7
    lambda_l2: Annotated[float, Field(ge=0)] = 20.0


class RegressionSettings(Section):
    """Logistic regression.

    Attributes
    ----------
    inverse_penalty : float
        `C` of scikit-learn's LogisticRegression.
    """

    inverse_penalty: Annotated[float, Field(gt=0)] = 0.001


class PointsSettings(Section):
    """The baseline `points`.

    Attributes
    ----------
    within_days : float
        Steps of the last so many days count.
    per_commitment : float
        Points per step and unit of commitment.
    """

    within_days: Days = 30
    per_commitment: float = 1.0


class ForestSettings(Section):
    """The baseline `forest`: a random forest on counts.

    Attributes
    ----------
    trees : int
        Number of trees.
    max_rows : int
        It is fitted on a random sample of at most so many rows.
    """

    trees: Count = 200
    max_rows: Count = 20_000


class ReadinessSettings(Section):
    """The minimum for a model that calls can be based on.

    Attributes
    ----------
    conversions : int
        With fewer, the model is a regression with a prior taken from the journey.
    prospects : int
        With fewer, the data are thin.
    days : float
        From the first to the last training date.
    thin_share : float
        Below this share of `conversions` there is not enough at all.
    """

    conversions: Count = 120
    prospects: Count = 1000
    days: Annotated[float, Field(ge=0)] = 28
    thin_share: Share = 0.4


class FallbackSettings(Section):
    """The prior of the model below the minimum.

    Attributes
    ----------
    log_odds_per_sd : float
        Prior mean of the log odds for one standard deviation of the journey's points.
    prior_sd : float
        Its standard deviation: the smaller, the longer the prior outweighs the conversions.
    """

    log_odds_per_sd: Annotated[float, Field(ge=0, le=3)] = 0.3
    prior_sd: Annotated[float, Field(gt=0, le=3)] = 0.3


class SearchSettings(Section):
    """A hyper-parameter search before the backtest begins.

    Attributes
    ----------
    trials : int
        How many sets of parameters are tried besides the given one; 0 for no search.
    time_limit_minutes : float or None
        No trial begins later than this. A search cut short by it depends on the speed of the
        machine and is not reproducible.
    seed : int
        Of the sampler that proposes parameters.
    """

    trials: Annotated[int, Field(ge=0)] = 0
    time_limit_minutes: Annotated[float, Field(gt=0)] | None = None
    seed: Seed = 0


class ModelSettings(Section):
    """How models are trained.

    Attributes
    ----------
    seed : int
        Of every random number in training.
    search : SearchSettings
        Its result replaces parameters of `trees`, `hazard` and `regression`.
    trees, hazard : TreeSettings
        The trees for whether, and the trees for when a prospect converts.
    competing_risks : bool
        Whether leaving (steps of `kind: exit`) is an outcome of its own in `trees`, where
        enough left: three times as many trees.
    calibration_share : float
        Share of the training dates, the latest, on which the weights of the base models and
        the calibration are chosen before everything is refitted on all of them.
    calibrations : tuple of str
        The candidates; the first is kept unless another is better there.
    max_negatives : int or None
        About so many rows without a conversion are used, reweighted to all of them, and every
        row with one. None: every row.
    """

    seed: Seed
    search: SearchSettings = SearchSettings()
    trees: TreeSettings = TreeSettings()
    hazard: TreeSettings = TreeSettings()
    regression: RegressionSettings = RegressionSettings()
    competing_risks: bool = True
    ready: ReadinessSettings = ReadinessSettings()
    fallback: FallbackSettings = FallbackSettings()
    points: PointsSettings = PointsSettings()
    forest: ForestSettings = ForestSettings()
    calibration_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    calibrations: tuple[Literal["none", "sigmoid", "beta"], ...] = ("none", "sigmoid", "beta")
    max_negatives: Annotated[int, Field(ge=1000)] | None = 200_000
