"""`evaluate`: how the metrics are computed, and when a leakage check fails."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from microconv.settings.section import Count, Section, Seed, Share


class LeakageCheckSettings(Section):
    """Thresholds of the leakage checks; :mod:`microconv.evaluation.leakage.checks` lists them.

    Attributes
    ----------
    single_feature, suspicious_auc : float
        A column fails if its AUC exceeds that of all other history columns together by
        `single_feature`, and is at least `suspicious_auc`.
    missingness_gap : float
        Difference between the shares of converting and other rows that have an attribute.
    pure_values : float
        Share of an attribute's rows whose value determines the outcome.
    filled_after : float
        Share of converted prospects whose attribute became known only afterwards.
    min_converters : int
        That share needs at least this many converted prospects.
    collapse_from, collapse_to : float
        A column whose AUC in training is above 0.5 by `collapse_from`, and afterwards by at
        most this part of it, has collapsed.
    shuffled_labels : float
        AUC above 0.5 on shuffled labels.
    random_gap : float
        AUC of a random split above that of the split in time.
    drift, base_rate_drift : float
        Population stability index of a column, and of the base rate.
    """

    single_feature: Share = 0.15
    suspicious_auc: Share = 0.8
    missingness_gap: Share = 0.2
    pure_values: Share = 0.1
    filled_after: Share = 0.9
    min_converters: Count = 20
    collapse_from: Share = 0.1
    collapse_to: Share = 0.25
    shuffled_labels: Share = 0.05
    random_gap: Share = 0.05
    drift: Annotated[float, Field(gt=0)] = 0.25
    base_rate_drift: Annotated[float, Field(gt=0)] = 0.1


class EvaluateSettings(Section):
    """How models are evaluated: list size, bootstrap intervals, leakage checks.

    Attributes
    ----------
    list_size : int
        Length of the team's list, at which precision, lift and value are computed.
    bootstrap : int
        Resamples of the prospects for intervals; 0 for no intervals.
    confidence : float
        Confidence level of the intervals.
    bins : int
        Equal-mass bins of the calibration curve and the ECE.
    seed : int
        Seed of the bootstrap.
    segment_conversions : int
        A segment with fewer rows of either outcome gets no metrics of its own.
    max_auc_loss : float
        A challenger whose AUC may be worse than the champion's by more than this, according
        to the interval of the paired difference, is not promoted.
    """

    list_size: Count
    bootstrap: Annotated[int, Field(ge=0)] = 300
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    bins: Annotated[int, Field(ge=2)] = 10
    seed: Seed
    segment_conversions: Count = 25
    max_auc_loss: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    leakage_checks: LeakageCheckSettings = LeakageCheckSettings()
