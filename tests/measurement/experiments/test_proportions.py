"""Proportions compared, against published figures and other functions; sample ratio checks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, chi2_contingency, fisher_exact

from microconv.measurement.experiments.proportions import compare_proportions
from microconv.measurement.experiments.sample_ratio import check_sample_ratio


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
    found = compare_proportions(one, other, confidence=0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_the_p_value_is_that_of_the_chi_square_test():
    """The pooled score test squared is Pearson's chi-square without correction."""
    found = compare_proportions((120, 1000), (90, 1100), confidence=0.95)
    table = [[120, 880], [90, 1010]]
    assert found.p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue)


def test_small_counts_get_fishers_exact_test():
    """The normal approximation would call three against none significant."""
    found = compare_proportions((3, 10), (0, 10), confidence=0.95)
    assert found.p_value == pytest.approx(fisher_exact([[3, 7], [0, 10]]).pvalue)


def test_there_is_no_ratio_without_a_success_in_the_control():
    """Division by zero is no figure."""
    found = compare_proportions((3, 10), (0, 10), confidence=0.95)
    assert found.ratio is None
    assert found.ratio_low is None


def test_the_false_positive_rate_of_aa_tests_is_nominal():
    """Of 200 experiments without an effect 2 to 9 % are significant at the 5 % level."""
    rng = np.random.default_rng(20)
    significant = 0
    for _ in range(200):
        done = rng.binomial(2000, 0.12, 2)
        found = compare_proportions((int(done[0]), 2000), (int(done[1]), 2000), confidence=0.95)
        significant += found.p_value < 0.05
    assert 4 <= significant <= 18


def test_the_check_of_two_equal_arms_is_nearly_the_binomial_test():
    """Chi-square against the exact test, 5,100 of 10,000."""
    ratio = check_sample_ratio(np.array([5100, 4900]), np.array([0.5, 0.5]))
    assert ratio.p_value == pytest.approx(binomtest(5100, 10_000).pvalue, abs=0.002)
    assert not ratio.mismatch


def test_42_to_58_instead_of_half_is_a_mismatch():
    """The demo world has such an experiment, of this size."""
    assert check_sample_ratio(np.array([4100, 2970]), np.array([0.5, 0.5])).mismatch


def test_sizes_are_compared_with_the_intended_shares():
    """One in ten is no mismatch where it is intended."""
    assert not check_sample_ratio(np.array([9010, 990]), np.array([9.0, 1.0])).mismatch
    assert check_sample_ratio(np.array([9010, 990]), np.array([1.0, 1.0])).mismatch


def test_correct_splits_are_hardly_ever_a_mismatch():
    """One in a thousand: of 2,000 correct splits at most a handful."""
    rng = np.random.default_rng(4)
    sizes = rng.multinomial(3000, [0.5, 0.3, 0.2], 2000)
    shares = np.array([0.5, 0.3, 0.2])
    assert sum(check_sample_ratio(s, shares).mismatch for s in sizes) <= 8
