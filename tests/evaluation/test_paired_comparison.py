"""Paired comparison of two sets of predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from microconv.errors import EventLogError, NotEnoughDataError
from microconv.evaluation.paired_comparison import compare
from worlds.predictions import planted_snapshots

SNAPSHOTS = planted_snapshots(folds=1)


def predictions(probability, rows: pd.DataFrame = SNAPSHOTS) -> pd.DataFrame:
    """Return the planted rows with these probabilities."""
    kept = rows[["prospect_id", "as_of", "converted"]]
    return kept.assign(probability=np.asarray(probability, float))


GOOD = predictions(SNAPSHOTS["chance"])
NOISE = np.random.default_rng(1).normal(size=len(SNAPSHOTS))
WORSE = predictions(1 / (1 + np.exp(-(SNAPSHOTS["score"] + 1.5 * NOISE))))


def test_the_better_model_is_found():
    """The difference is that of the two AUCs, and its interval lies above zero."""
    found = compare(GOOD, WORSE, resamples=200, seed=1)
    one, other = (roc_auc_score(f["converted"], f["probability"]) for f in (GOOD, WORSE))
    assert found["auc"]["difference"]["value"] == pytest.approx(one - other)
    assert found["auc"]["difference"]["low"] > 0
    assert found["log_loss"]["difference"]["high"] < 0
    assert (found["rows"], found["prospects"]) == (800, 400)


def test_the_same_predictions_do_not_differ():
    """Paired: exactly zero, from low to high."""
    found = compare(GOOD, GOOD.sample(frac=1, random_state=1), resamples=50, seed=1)
    for metric in ("auc", "average_precision", "log_loss", "brier"):
        assert found[metric]["difference"] == {"value": 0, "low": 0, "high": 0}


def test_swapping_the_two_reverses_the_difference():
    """Nothing else changes."""
    there = compare(GOOD, WORSE, resamples=50, seed=1)["auc"]["difference"]
    back = compare(WORSE, GOOD, resamples=50, seed=1)["auc"]["difference"]
    assert (back["value"], back["low"], back["high"]) == pytest.approx(
        (-there["value"], -there["high"], -there["low"])
    )


def test_only_common_rows_count():
    """A champion and a challenger may have predictions for different weeks."""
    assert compare(GOOD[:500], WORSE[300:], resamples=5, seed=1)["rows"] == 200


def test_the_interval_is_that_of_resampled_prospects():
    """Against a plain bootstrap that writes drawn prospects' rows out, AUC by scikit-learn."""
    y, one, other = GOOD["converted"], GOOD["probability"], WORSE["probability"]
    y, one, other = y.to_numpy(), one.to_numpy(), other.to_numpy()
    rows_of = list(GOOD.groupby("prospect_id").indices.values())
    rng, drawn = np.random.default_rng(5), []
    for _ in range(200):
        rows = np.concatenate([rows_of[k] for k in rng.integers(0, 400, 400)])
        drawn.append(roc_auc_score(y[rows], one[rows]) - roc_auc_score(y[rows], other[rows]))
    found = compare(GOOD, WORSE, resamples=400, seed=1)["auc"]["difference"]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.01)


def test_no_common_row_is_an_error():
    """With the sizes of both."""
    with pytest.raises(NotEnoughDataError, match=r"400 and 400 rows"):
        compare(GOOD[:400], WORSE[400:], resamples=5, seed=1)


def test_different_labels_are_an_error():
    """They come from different logs or horizons."""
    turned = WORSE.assign(converted=~WORSE["converted"])
    with pytest.raises(EventLogError, match="have different labels"):
        compare(GOOD, turned, resamples=5, seed=1)


def test_a_duplicate_row_is_an_error():
    """Usually a forgotten filter on model or fold."""
    with pytest.raises(EventLogError, match="800 rows of the first predictions"):
        compare(pd.concat([GOOD, WORSE]), WORSE, resamples=5, seed=1)
