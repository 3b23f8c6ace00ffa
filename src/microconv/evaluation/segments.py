"""Whether probabilities come true in every segment and stage, and not only on the whole.

A model that promises 3 % and gets 3 % may promise webinar leads too much and referrals too
little. So the test rows are split by the stage that their prospect had reached and by each
attribute, both as they were known at `as_of`, and the promise is compared with what came.

Of twenty segments one looks wrong by chance. Each is tested once (slope 1 and intercept 0
at a time, a score test whose variance counts the rows of a prospect as one), and only what
Benjamini and Hochberg's procedure leaves at the report's confidence is called wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.evaluation.calibration import CLIP
from microconv.evaluation.intervals import calibration_metrics
from microconv.evaluation.metrics import Predictions
from microconv.features.families import ladder
from microconv.features.families.attributes import MISSING, OTHER, attribute_values
from microconv.features.family import Spec
from microconv.features.training_set import TrainingSet
from microconv.settings import EvaluateSettings

STAGE = "stage"
SEGMENT = "segment."
"""What the column of an attribute begins with in the backtest's predictions."""

NO_STAGE = "(no step yet)"

COMMON = 0.01
"""A value of fewer test rows than this goes with the other ones."""

MOST = 12
"""Values of one attribute that are told apart."""


def segments_of(
    training_set: TrainingSet, rows: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    """Look up the stage and the attributes of some rows, as known when they were asked.

    Returns
    -------
    dict of str to ndarray of shape (n_rows,)
        `stage`, the furthest one of a small step done; and `segment.NAME` for each attribute:
        a text or a number.
    """
    visible = training_set.visible.select(rows)
    journey, settings = training_set.journey, training_set.settings
    climbed = np.empty((len(ladder.COLUMNS), len(rows)), np.float32)
    ladder.FAMILY.fill(climbed, visible, Spec(journey, settings, {}))
    reached = climbed[ladder.COLUMNS.index("stage.highest")].astype(np.int64)
    stage = np.array([NO_STAGE, *journey.stages], dtype=object)[reached]
    known = {f"{SEGMENT}{name}": column for name, column in attribute_values(visible).items()}
    return {STAGE: stage, **known}


def segment_metrics(
    predictions: Predictions, asked: pd.DataFrame, settings: EvaluateSettings
) -> list[dict[str, Any]]:
    """Compare promise and outcome in every segment.

    Parameters
    ----------
    predictions : Predictions
    asked : DataFrame of shape (n_rows, …)
        Row for row; its columns of :func:`segments_of` are used.
    settings : EvaluateSettings

    Returns
    -------
    list of dict
        `by`, `segment`, `rows`, `prospects`, `conversions`, `promised`, `came`, and either
        `calibration`, `p_value` and `off` (after correction), or a `reason` why not. Stages
        first, in their order of appearance by size.
    """
    out = []
    for column in asked.columns:
        if column != STAGE and not column.startswith(SEGMENT):
            continue
        values = split(asked[column])
        for value in values.value_counts().index:
            part = predictions.only((values == value).to_numpy(bool))
            about = {"by": column.removeprefix(SEGMENT), "segment": str(value)}
            out.append(about | _measure(part, settings))
    _correct([entry for entry in out if "p_value" in entry], 1 - settings.confidence)
    return out


def split(column: pd.Series) -> pd.Series:
    """Put each row into one of a few segments.

    Rare texts go together; many numbers are cut into thirds.

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
        (value for value in counts.index if counts[value] >= COMMON * len(words)),
        key=lambda value: (-counts[value], str(value)),
    )[:MOST]
    return words.where(words.isin([*common, MISSING]), OTHER)


def _numbers(column: pd.Series) -> pd.Series:
    """Word numbers: themselves if they are few, else the third they lie in."""
    known = column.dropna()
    if known.nunique() <= MOST:
        return column.map(lambda x: f"{x:g}", na_action="ignore")
    low, high = (float(f"{q:.3g}") for q in np.quantile(known, [1 / 3, 2 / 3]))
    words = np.select(
        [column < low, column < high, column >= high],
        [f"below {low:g}", f"{low:g} to {high:g}", f"{high:g} and more"],
        default=MISSING,
    )
    return pd.Series(words, column.index, dtype=object)


def _measure(part: Predictions, settings: EvaluateSettings) -> dict[str, Any]:
    yes = int(part.converted.sum())
    out: dict[str, Any] = {
        "rows": len(part),
        "prospects": len(np.unique(part.prospect)),
        "conversions": yes,
        "predicted_rate": float(part.probability.mean()),
        "observed_rate": float(part.converted.mean()),
    }
    least = settings.segment_conversions
    if min(yes, len(part) - yes) < least:
        few = f"{yes} of {len(part):,} rows converted"
        return {**out, "reason": f"{few}, and figures take {least} of each outcome"}
    calibration = calibration_metrics(part, settings)
    calibration.pop("brier_decomposition")
    return {**out, "calibration": calibration, "p_value": calibration_test(part)}


def calibration_test(predictions: Predictions) -> float:
    """Return how surprising the outcomes are if every probability is right.

    The score test of slope 1 and intercept 0 in the recalibration line: nothing is fitted,
    and the scores of a prospect's rows are summed before they are squared.

    Returns
    -------
    float
        A p-value, about uniform if the probabilities are right.
    """
    from scipy.stats import chi2

    p = np.clip(predictions.probability, CLIP, 1 - CLIP)
    logit = np.log(p) - np.log1p(-p)
    off = predictions.converted - p
    scores = np.column_stack([off, off * (logit - np.average(logit, weights=p * (1 - p)))])
    if np.ptp(logit) == 0:  # one probability for all: only the level can be wrong
        scores = scores[:, :1]
    codes = np.unique(predictions.prospect, return_inverse=True)[1]
    sums = np.column_stack([np.bincount(codes, weights=score) for score in scores.T])
    total = sums.sum(axis=0)
    statistic = float(total @ np.linalg.solve(sums.T @ sums, total))
    return float(chi2.sf(statistic, len(total)))


def _correct(tested: list[dict[str, Any]], rate: float) -> None:
    """Say of each tested segment whether it is off, all tests considered."""
    from scipy.stats import false_discovery_control

    if not tested:
        return
    corrected = false_discovery_control([entry["p_value"] for entry in tested])
    for entry, p_value in zip(tested, corrected, strict=True):
        entry["miscalibrated"] = bool(p_value <= rate)
