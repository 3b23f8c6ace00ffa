"""`evaluate`: what figures are computed at, and when an alarm is raised."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from microconv.settings.section import Count, Section, Seed, Share


class LeakageCheckSettings(Section):
    """From where on a finding is an alarm; :mod:`microconv.evaluation.leakage.checks` lists them.

    Attributes
    ----------
    single_feature, suspicious_auc : float
        By how much AUC one column must beat the histories without it, and the AUC
        that it must have itself: one step may well be what matters.
    missingness_gap : float
        Difference between the shares of converters and others that have an attribute.
    pure_values : float
        Share of an attribute's rows whose value is as good as the outcome.
    filled_after, min_converters
        Share of converters whose attribute became known only afterwards, of so many.
    collapse_from, collapse_to : float
        A column worth so much AUC above one half in training, and at most this part
        of it afterwards, has collapsed.
    shuffled_labels, random_gap : float
        AUC above one half, and above the split in time.
    drift, base_rate_drift : float
        Population stability index of a column, and of the outcome.
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
        A segment with fewer rows of either outcome has no figures of its own.
    max_auc_loss : float
        A challenger that may be worse than the champion by this much AUC, by the
        interval of the paired difference, is not promoted.
    """

    list_size: Count
    bootstrap: Annotated[int, Field(ge=0)] = 300
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    bins: Annotated[int, Field(ge=2)] = 10
    seed: Seed
    segment_conversions: Count = 25
    max_auc_loss: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    leakage_checks: LeakageCheckSettings = LeakageCheckSettings()
