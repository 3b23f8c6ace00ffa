"""Choosing the settings of the prefix benchmark: the package's own way unless clearly beaten."""

from __future__ import annotations

import numpy as np
import pytest
from prefix_protocol import Rows
from prefix_search import BOOSTED, LIKE_CONTROLS, LINEAR, Choice, choose_if_better


def rows_of(cases: int, seed: int) -> Rows:
    """Make one row for each case; half of them end positively."""
    case = np.arange(cases)
    labels = np.random.default_rng(seed).random(cases) < 0.5
    return Rows(case, np.ones(cases, int), case + 1, labels, np.zeros(cases, bool))


def said(rows: Rows, noise: float, seed: int) -> np.ndarray:
    """Tell the outcome through so much noise."""
    return rows.labels + noise * np.random.default_rng(seed).normal(size=len(rows))


def choice(settings, *, weighted: bool, auc: float) -> Choice:
    """Make a choice that differs only in what counts here."""
    return Choice("counts", settings, False, LINEAR[0], 0.5, weighted, auc)


def test_what_is_offered_to_the_controls_is_not_the_packages_own_way():
    """Nor is letting a case weigh as much as it is long."""
    assert choice(BOOSTED[0], weighted=True, auc=0.5).own
    assert not choice(BOOSTED[0], weighted=False, auc=0.5).own
    assert not choice(LIKE_CONTROLS[0], weighted=True, auc=0.5).own


@pytest.mark.parametrize(("noise", "taken"), [(1.0, False), (0.4, True)])
def test_the_other_way_is_taken_only_where_it_gains_more_than_a_deviation(noise, taken):
    """As noisy as the own way, and a hair luckier: left; much less noisy: taken."""
    folds = [rows_of(300, 1), rows_of(300, 2)]
    own, other = (
        choice(BOOSTED[0], weighted=weighted, auc=auc)
        for weighted, auc in ((True, 0.760), (False, 0.761 if not taken else 0.9))
    )
    heard = {
        own: [said(rows, 1.0, 10 + k) for k, rows in enumerate(folds)],
        other: [said(rows, noise, 20 + k) for k, rows in enumerate(folds)],
    }
    assert choose_if_better(heard, folds) is (other if taken else own)
