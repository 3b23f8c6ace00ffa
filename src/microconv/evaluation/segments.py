"""Calibration of the predictions in every segment and stage.

A model whose mean probability equals the conversion rate may still predict too much for
webinar leads and too little for referrals. So the test rows are split by the stage that
the prospect has reached and by each attribute, both as known at `as_of`, and predicted
and observed rates are compared.

Of twenty segments one looks wrong by chance. Each is tested once (slope 1 and intercept 0
together, with a score test clustered by prospect), and only those that remain after
Benjamini and Hochberg's correction at the report's confidence are called miscalibrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.evaluation.calibration import CLIP, calibration_metrics
from microconv.evaluation.metrics import Predictions
from microconv.features.families import ladder
from microconv.features.families.attributes import MISSING, OTHER, attribute_values
from microconv.features.family import Spec
from microconv.features.training_set import TrainingSet
from microconv.settings import EvaluateSettings

STAGE = "stage"
SEGMENT = "segment."
"""Prefix of the attribute columns in the predictions of a backtest."""

NO_STAGE = "(no step yet)"

MIN_SHARE = 0.01
"""Values with a smaller share of the test rows are grouped as other."""

MAX_CATEGORIES = 12
"""The most frequent values of an attribute that are segments of their own."""


def segments_of(
    training_set: TrainingSet, rows: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    """Return the stage and the attributes of some rows, as known at `as_of`.

    Parameters
    ----------
    training_set : TrainingSet
    rows : ndarray of intp, shape (n_rows,)

    Returns
    -------
    dict of str to ndarray of shape (n_rows,)
        `stage`, the furthest stage of a completed micro-conversion; and `segment.NAME` for
        each attribute: a text or a number.
    """
    visible = training_set.visible.select(rows)
    journey, settings = training_set.journey, training_set.settings
    ladder_values = np.empty((len(ladder.COLUMNS), len(rows)), np.float32)
    ladder.FAMILY.fill(ladder_values, visible, Spec(journey, settings, {}))
    reached = ladder_values[ladder.COLUMNS.index("stage.highest")].astype(np.int64)
    stage = np.array([NO_STAGE, *journey.stages], dtype=object)[reached]
    known = {f"{SEGMENT}{name}": column for name, column in attribute_values(visible).items()}
    return {STAGE: stage, **known}


def segment_metrics(
    predictions: Predictions, rows: pd.DataFrame, settings: EvaluateSettings
) -> list[dict[str, Any]]:
    """Compare predicted and observed conversion rates in every segment.

    Parameters
    ----------
    predictions : Predictions
    rows : DataFrame of shape (n_rows, …)
        In the order of the predictions; its columns of :func:`segments_of` are used.
    settings : EvaluateSettings

    Returns
    -------
    list of dict
        `by`, `segment`, `rows`, `prospects`, `conversions`, `predicted_rate`, `observed_rate`,
        and either `calibration`, `p_value` and `miscalibrated` (after correction), or a
        `reason` why not. Stages first; each group by size.
    """
    out = []
    for column in rows.columns:
        if column != STAGE and not column.startswith(SEGMENT):
            continue
        values = split(rows[column])
        for value in values.value_counts().index:
            part = predictions.only((values == value).to_numpy(bool))
            about = {"by": column.removeprefix(SEGMENT), "segment": str(value)}
            out.append(about | _metrics_of(part, settings))
    _correct([entry for entry in out if "p_value" in entry], 1 - settings.confidence)
    return out


def split(column: pd.Series) -> pd.Series:
    """Group the values of a column into a few segments.

    Rare texts are grouped as other; many distinct numbers are cut into thirds.

    Examples
    --------
    >>> split(pd.Series([1.0, 2.0, 3.0] * 9 + [float("nan")])).unique().tolist()
    ['1', '2', '3', '(missing)']
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        column = _numbers(column.astype(float))
    words = column.astype(object).where(column.notna(), MISSING)
    counts = words.value_counts()
    common = sorted(
        (value for value in counts.index if counts[value] >= MIN_SHARE * len(words)),
        key=lambda value: (-counts[value], str(value)),
    )[:MAX_CATEGORIES]
    return words.where(words.isin([*common, MISSING]), OTHER)


def _numbers(column: pd.Series) -> pd.Series:
    """Return numbers as texts: each by itself if they are few, else their third."""
    known = column.dropna()
    if known.nunique() <= MAX_CATEGORIES:
        return column.map(lambda x: f"{x:g}", na_action="ignore")
    low, high = (float(f"{q:.3g}") for q in np.quantile(known, [1 / 3, 2 / 3]))
    words = np.select(
        [column < low, column < high, column >= high],
        [f"below {low:g}", f"{low:g} to {high:g}", f"{high:g} and more"],
        default=MISSING,
    )
    return pd.Series(words, column.index, dtype=object)


def _metrics_of(part: Predictions, settings: EvaluateSettings) -> dict[str, Any]:
    yes = int(part.converted.sum())
    out: dict[str, Any] = {
        "rows": len(part),
        "prospects": len(np.unique(part.prospect)),
        "conversions": yes,
        "predicted_rate": float(part.probability.mean()),
        "observed_rate": float(part.converted.mean()),
    }
    if min(yes, len(part) - yes) < settings.segment_conversions:
        reason = (
            f"{yes} of {len(part):,} rows converted; at least {settings.segment_conversions} rows "
            "of each outcome are needed"
        )
        return {**out, "reason": reason}
    calibration = calibration_metrics(part, settings)
    calibration.pop("brier_decomposition")
    return {**out, "calibration": calibration, "p_value": calibration_test(part)}


def calibration_test(predictions: Predictions) -> float:
    """Compute the p-value of the hypothesis that every probability is right.

    The score test of slope 1 and intercept 0 in the recalibration line: nothing is fitted,
    and the scores of a prospect's rows are summed before they are squared.

    Returns
    -------
    float
        About uniform if the probabilities are right.
    """
    from scipy.stats import chi2

    p = np.clip(predictions.probability, CLIP, 1 - CLIP)
    logit = np.log(p) - np.log1p(-p)
    residual = predictions.converted - p
    scores = np.column_stack(
        [residual, residual * (logit - np.average(logit, weights=p * (1 - p)))]
    )
    if np.ptp(logit) == 0:  # one probability for all rows: only the intercept can be wrong
        scores = scores[:, :1]
    codes = np.unique(predictions.prospect, return_inverse=True)[1]
    sums = np.column_stack([np.bincount(codes, weights=score) for score in scores.T])
    total = sums.sum(axis=0)
    statistic = float(total @ np.linalg.solve(sums.T @ sums, total))
    return float(chi2.sf(statistic, len(total)))


def _correct(tested: list[dict[str, Any]], rate: float) -> None:
    """Mark the miscalibrated segments, corrected for the number of tests."""
    from scipy.stats import false_discovery_control

    if not tested:
        return
    corrected = false_discovery_control([entry["p_value"] for entry in tested])
    for entry, p_value in zip(tested, corrected, strict=True):
        entry["miscalibrated"] = bool(p_value <= rate)
