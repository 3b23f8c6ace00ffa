"""Ranking, losses and lists: against scikit-learn and against slow, obvious oracles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from microconv.evaluation.metrics import (
    Predictions,
    draw_resamples,
    list_metrics,
    ranking_metrics,
)

# (probability in twelfths, converted, value, prospect, date): few levels, so that many tie
ROWS = st.lists(
    st.tuples(
        st.integers(1, 11),
        st.booleans(),
        st.sampled_from([np.nan, 1.0, 10.0]),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=25,
)
COUNTS = st.lists(st.integers(0, 3), min_size=6, max_size=6)


def predictions_of(rows) -> Predictions:
    """Lay rows out as arrays."""
    p, y, value, prospect, date = zip(*rows, strict=True)
    return Predictions(
        np.array(p) / 12,
        np.array(y, bool),
        np.array(value),
        np.array(prospect, np.int64),
        np.array(date, np.int64),
    )


def one_list(
    probability, converted, *, value=None, size: int, dates=None
) -> tuple[float, float, float, float]:
    """Return the four list figures of rows of distinct prospects."""
    n = len(probability)
    predictions = Predictions(
        np.array(probability, float),
        np.array(converted, bool),
        np.full(n, np.nan) if value is None else np.array(value, float),
        np.arange(n),
        np.zeros(n, np.int64) if dates is None else np.array(dates),
    )
    return tuple(list_metrics(predictions, np.ones((1, n), np.uint8), size)[0])


@given(ROWS, COUNTS)
def test_resampled_figures_are_scikit_learns_with_the_same_weights(rows, counts):
    """AUC, average precision, log loss and Brier, ties and all; nan where undefined."""
    a, drawn = predictions_of(rows), np.array([counts], np.uint8)
    weights = drawn[0][a.prospect].astype(float)
    auc, precision, loss, brier = ranking_metrics(a, drawn)[0]
    yes, no = weights[a.converted].sum(), weights[~a.converted].sum()
    if yes and no:
        expected = roc_auc_score(a.converted, a.probability, sample_weight=weights)
        assert auc == pytest.approx(expected)
    else:
        assert np.isnan(auc)
    if yes:
        expected = average_precision_score(a.converted, a.probability, sample_weight=weights)
        assert precision == pytest.approx(expected)
    else:
        assert np.isnan(precision)
    if yes + no:
        labels = [False, True]
        expected = log_loss(a.converted, a.probability, sample_weight=weights, labels=labels)
        assert loss == pytest.approx(expected)
        expected = brier_score_loss(a.converted, a.probability, sample_weight=weights)
        assert brier == pytest.approx(expected)
    else:
        assert np.isnan(loss)


@given(ROWS, COUNTS, st.integers(1, 12))
def test_a_resample_is_the_same_as_writing_rows_out_again(rows, counts, size):
    """Counting a prospect three times is having three like it, in every list estimate."""
    written_out = [row for row in rows for _ in range(counts[row[3]])]
    if not written_out:
        return
    weighted = list_metrics(predictions_of(rows), np.array([counts], np.uint8), size)[0]
    plain = list_metrics(predictions_of(written_out), np.ones((1, 6), np.uint8), size)[0]
    assert weighted == pytest.approx(plain, nan_ok=True)


@given(ROWS, st.integers(1, 12))
def test_list_figures_are_the_mean_over_all_orders_of_the_tied(rows, size):
    """Sharing the last places is what a random order of the tied would bring on average."""
    a = predictions_of(rows)
    precisions, rates, recalls, captured = [], [], [], []
    for date in sorted(set(a.as_of)):
        day = [
            (row[0], row[1], row[2] if row[1] and not np.isnan(row[2]) else 0.0)
            for row in rows
            if row[4] == date
        ]
        hits = worth = 0.0
        for level, happened, value in day:
            above = sum(other[0] > level for other in day)
            tied = sum(other[0] == level for other in day)
            chance = min(max(size - above, 0) / tied, 1)
            hits += chance * happened
            worth += chance * value
        yes, total = sum(row[1] for row in day), sum(row[2] for row in day)
        precisions.append(hits / min(size, len(day)))
        rates.append(yes / len(day))
        recalls += [hits / yes] if yes else []
        captured += [worth / total] if total else []
    expected = [
        np.mean(precisions),
        np.mean(recalls) if recalls else np.nan,
        np.mean(precisions) / np.mean(rates) if recalls else np.nan,
        np.mean(captured) if captured else np.nan,
    ]
    got = list_metrics(a, np.ones((1, 6), np.uint8), size)[0]
    assert got == pytest.approx(expected, nan_ok=True)


def test_a_list_of_two_by_hand():
    """Of the two best of five one converts; one of the two conversions, 30 of the 40 in value."""
    got = one_list([0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 1, 0, 0], value=[30, 0, 10, 0, 0], size=2)
    assert got == pytest.approx((0.5, 0.5, 0.5 / 0.4, 0.75))


def test_everybody_alike_is_chance():
    """The base rate's list is as good as any: precision = base rate, lift 1, not luck."""
    precision, recall, lift, _ = one_list([0.3] * 10, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0], size=5)
    assert (precision, recall, lift) == pytest.approx((0.2, 0.5, 1.0))


def test_no_order_of_the_rows_breaks_a_tie():
    """Converters first or last in the file: the same figures."""
    first = one_list([0.3] * 4, [1, 0, 0, 0], size=1)
    last = one_list([0.3] * 4, [0, 0, 0, 1], size=1)
    assert first[:3] == last[:3]


def test_a_list_longer_than_the_cohort_lists_everybody():
    """Precision is then the base rate, not conversions per empty place."""
    assert one_list([0.9, 0.1], [1, 0], size=200)[:3] == pytest.approx((0.5, 1.0, 1.0))


def test_dates_count_alike_however_many_were_asked():
    """A team gets one list each Monday: 1 of 1 and 0 of 1 make one half."""
    got = one_list([0.9, 0.8, 0.7, 0.9], [1, 0, 0, 0], size=1, dates=[0, 0, 0, 1])
    assert got[0] == 0.5
    assert got[1] == 1.0  # the second date has no conversion to find


@pytest.mark.parametrize("happened", [0, 1])
def test_one_outcome_leaves_figures_undefined_not_zero(happened):
    """An AUC of 0 for a fold without conversions is a lie that averages hide."""
    a = predictions_of([(6, bool(happened), np.nan, k, 0) for k in range(4)])
    figures = ranking_metrics(a, np.ones((1, 6), np.uint8))[0]
    assert np.isnan(figures[0])
    assert np.isnan(figures[1]) == (happened == 0)


def test_certainty_that_was_wrong_has_a_finite_loss():
    """Probability 0 for somebody who converted costs much, not infinitely much."""
    a = Predictions(*(np.array([x]) for x in (0.0, True, np.nan, 0, 0)))
    assert a.losses[0] == pytest.approx(-np.log(1e-15))


def test_resamples_draw_prospects_with_replacement():
    """The first counts each once, the others as many in all; the seed decides."""
    counts = draw_resamples(50, 200, seed=3)
    assert (counts[0] == 1).all()
    assert (counts.sum(axis=1) == 50).all()
    assert np.array_equal(counts, draw_resamples(50, 200, seed=3))
    assert not np.array_equal(counts, draw_resamples(50, 200, seed=4))
    assert counts[1:].mean(axis=0) == pytest.approx(1, abs=0.35)
    assert (counts[1:] == 0).mean() == pytest.approx(np.exp(-1), abs=0.02)
