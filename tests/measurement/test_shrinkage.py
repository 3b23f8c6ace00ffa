"""Empirical Bayes against scipy's beta-binomial, fitted in another way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import beta, betabinom

from microconv.measurement.stats.shrinkage import MAX_STRENGTH, fit_prior_strength, shrink_rates


def drawn(strength, groups, seed):
    """Draw counts of groups whose rates differ as a beta distribution of mean .2 does."""
    rng = np.random.default_rng(seed)
    trials = rng.integers(20, 400, groups).astype(float)
    rate = rng.beta(strength * 0.2, strength * 0.8, groups)
    return rng.binomial(trials.astype(int), rate).astype(float), trials


def fitted_by_scipy(successes, trials, mean):
    """Maximise scipy's own likelihood over the logarithm of the strength, by simplex."""

    def against(x):
        a, b = np.exp(x[0]) * mean, np.exp(x[0]) * (1 - mean)
        return -betabinom.logpmf(successes, trials.astype(int), a, b).sum()

    found = minimize(against, [2.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    return float(np.exp(found.x[0]))


@pytest.mark.parametrize("strength", [5, 40, 200])
def test_the_prior_strength_maximises_the_likelihood(strength):
    """The same maximum, found by another minimiser of another library's likelihood."""
    successes, trials = drawn(strength, 80, seed=strength)
    mean = np.full(80, 0.2)
    found = fit_prior_strength(successes, trials, mean)
    assert found == pytest.approx(fitted_by_scipy(successes, trials, mean), rel=1e-3)
    assert strength / 2 < found < strength * 2


def test_groups_that_differ_by_chance_get_the_maximum_strength():
    """Then each group gets about the common rate."""
    rng = np.random.default_rng(3)
    trials = np.full(60, 200.0)
    found = fit_prior_strength(rng.binomial(200, 0.2, 60).astype(float), trials, np.full(60, 0.2))
    assert found > 500


def test_one_group_gets_the_maximum_strength():
    """A single group holds no information about differences."""
    assert fit_prior_strength(np.array([3.0]), np.array([10.0]), np.array([0.2])) == MAX_STRENGTH


def test_shrunk_rates_are_nearer_to_the_truth_than_raw_ones():
    """That is what shrinking is for: 200 groups of a dozen trials each."""
    rng = np.random.default_rng(1)
    truth = rng.beta(8, 32, 200)
    trials = np.full(200, 12.0)
    successes = rng.binomial(12, truth).astype(float)
    mean = np.full(200, successes.sum() / trials.sum())
    strength = fit_prior_strength(successes, trials, mean)
    found = shrink_rates(successes, trials, mean, strength=strength, confidence=0.9)
    raw_error = ((successes / trials - truth) ** 2).mean()
    assert ((found.rate - truth) ** 2).mean() < 0.5 * raw_error
    inside = ((found.low <= truth) & (truth <= found.high)).mean()
    assert inside == pytest.approx(0.9, abs=0.06)


def test_the_interval_is_that_of_the_posterior():
    """A beta prior and binomial answers make a beta posterior."""
    found = shrink_rates(
        np.array([4.0]), np.array([50.0]), np.array([0.2]), strength=20, confidence=0.95
    )
    posterior = beta(20 * 0.2 + 4, 20 * 0.8 + 46)
    assert (found.low[0], found.high[0]) == pytest.approx(posterior.interval(0.95))
    assert found.rate[0] == pytest.approx(posterior.mean())
