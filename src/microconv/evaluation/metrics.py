"""Ranking, loss and list metrics of many bootstrap resamples at once.

Rows are sorted once. A resample is a count per prospect: how often that prospect was
drawn, with all its rows. The first "resample" counts everybody once: it is the metric
itself. Every model is evaluated on the same resamples, so differences are paired.

Tied rows get the average of all orders: a pair of a converter and a non-converter with
the same probability counts as half right, and rows tied at the end of a list share its
last places. No tie is broken, so no label can break it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.model.training_rows import Floats, Mask

Int64 = npt.NDArray[np.int64]

Estimate = dict[str, Any]
"""`value`, `low` and `high`; or `value` None and a `reason`. Never nan, never a made-up 0."""

RANKING_METRICS = ("auc", "average_precision", "log_loss", "brier")
"""Columns of :func:`ranking_metrics`."""

LIST_METRICS = ("precision", "recall", "lift", "value_captured")
"""Columns of :func:`list_metrics`."""

MIN_PROBABILITY = 1e-15
"""For the log loss probabilities are clipped to this distance from 0 and 1."""


@dataclass(frozen=True)
class Predictions:
    """Predicted probabilities of one model, with the outcomes.

    Attributes
    ----------
    probability : ndarray of float64, shape (n_rows,)
    converted : ndarray of bool, shape (n_rows,)
    value : ndarray of float64, shape (n_rows,)
        Value of the conversion; nan where unknown or none.
    prospect : ndarray of int64, shape (n_rows,)
        Prospect codes: columns of the resamples.
    as_of : ndarray of int64, shape (n_rows,)
        Any code of the date.
    """

    probability: Floats
    converted: Mask
    value: Floats
    prospect: Int64
    as_of: Int64

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.probability)

    def only(self, rows: Mask) -> Predictions:
        """Return some of the rows."""
        return Predictions(
            self.probability[rows],
            self.converted[rows],
            self.value[rows],
            self.prospect[rows],
            self.as_of[rows],
        )

    @property
    def losses(self) -> Floats:
        """Return the log loss of each row."""
        p = np.clip(self.probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        losses: Floats = -np.log(np.where(self.converted, p, 1 - p))
        return losses


def draw_resamples(prospects: int, resamples: int, *, seed: int) -> npt.NDArray[np.uint8]:
    """Draw prospects with replacement; the first row counts each of them once.

    Parameters
    ----------
    prospects, resamples : int
        How many.
    seed : int

    Returns
    -------
    ndarray of uint8, shape (resamples + 1, prospects)
    """
    rng = np.random.default_rng(seed)
    counts = np.ones((resamples + 1, prospects), dtype=np.uint8)
    for row in counts[1:]:
        row[:] = np.bincount(rng.integers(0, prospects, prospects), minlength=prospects)
    return counts


def ranking_metrics(predictions: Predictions, counts: npt.NDArray[np.uint8]) -> Floats:
    """Compute AUC, average precision, log loss and Brier score in every resample.

    Average precision is the sum over distinct probabilities, falling, of the
    recall gained times the precision there: no interpolation.

    Parameters
    ----------
    predictions : Predictions
    counts : ndarray of uint8, shape (n_resamples, n_prospects)

    Returns
    -------
    ndarray of float64, shape (n_resamples, 4)
        Columns of :data:`RANKING_METRICS`; nan where a resample has no row, or only one
        outcome where the metric needs both.
    """
    order = np.argsort(-predictions.probability, kind="stable")
    p, y = predictions.probability[order], predictions.converted[order]
    prospect, losses = predictions.prospect[order], predictions.losses[order]
    out: Floats = _ranking(_tie_ends(p), y, prospect, losses, (p - y) ** 2, counts)
    return out


def list_metrics(predictions: Predictions, counts: npt.NDArray[np.uint8], list_size: int) -> Floats:
    """Compute the metrics of a list of this size on each date, averaged over the dates.

    * precision: conversions among the listed / listed.
    * recall: conversions among the listed / all of that date's, over dates with any.
    * lift: mean precision / mean base rate of the dates.
    * value_captured: value of the listed conversions / of all of that date's, over
      dates with any.

    Parameters
    ----------
    predictions : Predictions
    counts : ndarray of uint8, shape (n_resamples, n_prospects)
    list_size : int

    Returns
    -------
    ndarray of float64, shape (n_resamples, 4)
        Columns of :data:`LIST_METRICS`; nan where there is nothing to divide by.
    """
    order = np.lexsort((-predictions.probability, predictions.as_of))
    p, dates = predictions.probability[order], predictions.as_of[order]
    worth = np.where(predictions.converted, np.nan_to_num(predictions.value), 0.0)[order]
    ties = _tie_ends(p, dates)
    closing = np.append(dates[1:] != dates[:-1], True)[ties - 1] if len(p) else np.empty(0, bool)
    prospect, y = predictions.prospect[order], predictions.converted[order]
    out: Floats = _lists(ties, closing, y, worth, prospect, counts, float(list_size))
    return out


def _tie_ends(*keys: npt.NDArray[np.generic]) -> Int64:
    """Return the position after each run of rows that are equal in every key."""
    if len(keys[0]) == 0:
        return np.empty(0, np.int64)
    new = np.zeros(len(keys[0]) - 1, dtype=bool)
    for key in keys:
        new |= key[1:] != key[:-1]
    return np.append(np.flatnonzero(new) + 1, len(keys[0])).astype(np.int64)


@njit(cache=True, nogil=True)
def _ranking(ties, converted, prospect, loss, square, counts):  # type: ignore[no-untyped-def]
    out = np.full((len(counts), 4), np.nan)
    for b in range(len(counts)):
        above_yes, above_no, pairs, precision = 0.0, 0.0, 0.0, 0.0
        losses, squares = 0.0, 0.0
        first = 0
        for last in ties:
            yes, no = 0.0, 0.0
            for r in range(first, last):
                times = counts[b, prospect[r]]
                if converted[r]:
                    yes += times
                else:
                    no += times
                losses += times * loss[r]
                squares += times * square[r]
            pairs += no * (above_yes + 0.5 * yes)
            above_yes += yes
            above_no += no
            if yes > 0:
                precision += yes * above_yes / (above_yes + above_no)
            first = last
        if above_yes > 0 and above_no > 0:
            out[b, 0] = pairs / (above_yes * above_no)
        if above_yes > 0:
            out[b, 1] = precision / above_yes
        if above_yes + above_no > 0:
            out[b, 2] = losses / (above_yes + above_no)
            out[b, 3] = squares / (above_yes + above_no)
    return out


@njit(cache=True, nogil=True)
def _lists(  # type: ignore[no-untyped-def]
    ties, closing, converted, worth, prospect, counts, list_size
):
    out = np.full((len(counts), 4), np.nan)
    for b in range(len(counts)):
        precisions, rates, dates = 0.0, 0.0, 0
        recalls, dates_yes, captures, dates_worth = 0.0, 0, 0.0, 0
        rows, yes, value, listed, listed_yes, listed_value = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        first = 0
        for k in range(len(ties)):
            tie_rows, tie_yes, tie_value = 0.0, 0.0, 0.0
            for r in range(first, ties[k]):
                times = counts[b, prospect[r]]
                tie_rows += times
                tie_yes += times * converted[r]
                tie_value += times * worth[r]
            first = ties[k]
            if tie_rows > 0 and listed < list_size:
                share = min(1.0, (list_size - listed) / tie_rows)
                listed += share * tie_rows
                listed_yes += share * tie_yes
                listed_value += share * tie_value
            rows += tie_rows
            yes += tie_yes
            value += tie_value
            if closing[k]:
                if rows > 0:
                    precisions += listed_yes / listed
                    rates += yes / rows
                    dates += 1
                if yes > 0:
                    recalls += listed_yes / yes
                    dates_yes += 1
                if value > 0:
                    captures += listed_value / value
                    dates_worth += 1
                rows, yes, value, listed, listed_yes, listed_value = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        if dates > 0:
            out[b, 0] = precisions / dates
        if dates_yes > 0:
            out[b, 1] = recalls / dates_yes
            out[b, 2] = precisions / rates
        if dates_worth > 0:
            out[b, 3] = captures / dates_worth
    return out
