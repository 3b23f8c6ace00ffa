from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from microconv.measurement.experiments.split import check_split


def test_two_equal_arms_are_tested_as_a_coin_is():
    """The chi-square test of a split in halves is nearly the exact binomial test."""
    split = check_split(np.array([5100, 4900]), np.array([0.5, 0.5]))
    assert split.p_value == pytest.approx(binomtest(5100, 10_000).pvalue, abs=0.002)
    assert split.holds


def test_a_split_of_42_to_58_meant_to_be_half_is_refused():
    """The demo world plants such a split, at this size."""
    assert not check_split(np.array([4100, 2970]), np.array([0.5, 0.5])).holds


def test_the_intended_shares_are_what_counts():
    """One part in ten for the new one is no mismatch when it was meant."""
    assert check_split(np.array([9010, 990]), np.array([9.0, 1.0])).holds
    assert not check_split(np.array([9010, 990]), np.array([1.0, 1.0])).holds


def test_an_honest_split_is_hardly_ever_refused():
    """One in a thousand: of 2,000 honest splits at most a handful."""
    rng = np.random.default_rng(4)
    sizes = rng.multinomial(3000, [0.5, 0.3, 0.2], 2000)
    refused = sum(not check_split(s, np.array([0.5, 0.3, 0.2])).holds for s in sizes)
    assert refused <= 8
