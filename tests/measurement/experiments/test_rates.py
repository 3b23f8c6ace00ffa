"""Two shares compared, against published figures and statsmodels asked another way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, fisher_exact, norm

from microconv.measurement.experiments.rates import compare_shares, share_interval


def wilson(count, size, z):
    """Give Wilson's interval by solving its quadratic equation."""
    p = count / size
    roots = np.roots([1 + z**2 / size, -2 * p - z**2 / size, p**2])
    return sorted(roots.real)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((0, 10), (0, 20), -0.1611, 0.2775),
    ],
    ids=["usual", "small", "all against none", "none against none"],
)
def test_the_interval_of_a_difference_is_newcombes(one, other, low, high):
    """Figures of method 10 in Newcombe (1998), table II."""
    found = compare_shares(one, other, confidence=0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_the_interval_of_a_share_solves_wilsons_equation():
    """The ends are where the share lies 1.96 standard errors of the *true* share away."""
    assert share_interval(3, 40, confidence=0.95) == pytest.approx(wilson(3, 40, norm.isf(0.025)))


def test_the_p_value_is_that_of_the_chi_square_test():
    """The pooled score test squared is Pearson's chi-square without correction."""
    found = compare_shares((120, 1000), (90, 1100), confidence=0.95)
    table = [[120, 880], [90, 1010]]
    assert found.p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue)


def test_small_counts_are_tested_exactly():
    """The normal curve would call three against none clear."""
    found = compare_shares((3, 10), (0, 10), confidence=0.95)
    assert found.p_value == pytest.approx(fisher_exact([[3, 7], [0, 10]]).pvalue)


def test_no_ratio_is_made_up_where_the_control_did_nothing():
    """A share divided by none is not a number anybody may quote."""
    found = compare_shares((3, 10), (0, 10), confidence=0.95)
    assert found.ratio is None
    assert found.ratio_low is None


def test_an_aa_test_is_called_clear_about_as_often_as_promised():
    """Of 200 tests without any effect at the 5 % level between 2 and 9 % come out clear."""
    rng = np.random.default_rng(20)
    clear = 0
    for _ in range(200):
        done = rng.binomial(2000, 0.12, 2)
        found = compare_shares((int(done[0]), 2000), (int(done[1]), 2000), confidence=0.95)
        clear += found.p_value < 0.05
    assert 4 <= clear <= 18
