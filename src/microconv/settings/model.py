"""`backtest` and `model`: how models are tried and learnt."""

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
        How many test blocks, walking back from the last closed window.
    test_snapshots : int
        How many consecutive `as_of` dates one test block holds.
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
    """LightGBM, in its own parameter names where it has one.

    The defaults are small trees with few columns each: conversions are few.
    """

    num_iterations: Count = 150
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.04
    num_leaves: Annotated[int, Field(ge=2)] = 4
    min_data_in_leaf: Count = 100
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.2
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] = 0.7
    lambda_l2: Annotated[float, Field(ge=0)] = 20.0


class RegressionSettings(Section):
    """Logistic regression: `inverse_penalty` is scikit-learn's C."""

    inverse_penalty: Annotated[float, Field(gt=0)] = 0.001


class PointsSettings(Section):
    """The hand-made score: points for a step done in the last `within_days` days."""

    within_days: Days = 30
    per_commitment: float = 1.0


class ForestSettings(Section):
    """The control: a random forest on counts."""

    trees: Count = 200
    max_rows: Count = 20_000


class ReadinessSettings(Section):
    """What it takes to call by a model: below it the data are thin.

    Attributes
    ----------
    conversions, prospects : int
        With fewer conversions the model is held to the journey's stages and commitments.
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
    """The model below the minimum: what is believed of the journey before looking.

    Attributes
    ----------
    log_odds_per_sd : float
        Log odds by which a prospect one standard deviation ahead on the journey's
        points is believed to be ahead.
    prior_sd : float
        Standard deviation of that belief: conversions overrule it by and by.
    """

    log_odds_per_sd: Annotated[float, Field(ge=0, le=3)] = 0.3
    prior_sd: Annotated[float, Field(gt=0, le=3)] = 0.3


class SearchSettings(Section):
    """Whether settings of trees and regression are searched for, before anything is tested.

    Attributes
    ----------
    trials : int
        How many settings are tried beside the given ones; 0 for no search.
    time_limit_minutes : float or None
        No trial begins later than this. A search that it cuts short depends on the
        speed of the machine: only without a limit is the same seed the same answer.
    seed : int
        Of the sampler that proposes settings.
    """

    trials: Annotated[int, Field(ge=0)] = 0
    time_limit_minutes: Annotated[float, Field(gt=0)] | None = None
    seed: Seed = 0


class ModelSettings(Section):
    """How the models learn.

    Attributes
    ----------
    trees, hazard : TreeSettings
        The trees that learn whether, and the trees that learn when.
    competing_risks : bool
        Whether `trees` learns leaving (steps of `kind: exit`) as an outcome of its own,
        where enough left: three times the trees.
    ready : ReadinessSettings
    fallback : FallbackSettings
        From how much on there is enough to learn from, and the model below it.
    calibration_share : float
        Share of the training dates, the latest, on which blend weight and
        calibration are chosen before everything is refitted on all of them.
    calibrations : tuple of str
        The candidates; the first is kept unless another is better there.
    max_negatives : int or None
        Models learn from every row with a conversion, and from about so many of those
        without, weighed back to all of them. None: from every row.
    search : SearchSettings
        What it finds takes the place of `trees`, `hazard` and `regression`.
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
