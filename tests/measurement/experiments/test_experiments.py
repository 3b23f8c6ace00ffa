"""Analysis of one experiment: mismatch, missing data, summary."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.measurement.experiments.experiments import analyse
from microconv.measurement.experiments.units import Units
from microconv.settings import ExperimentSettings, ExperimentsSettings

SETTINGS = ExperimentsSettings(bootstrap=200)


def settings_of(arms=("A", "B"), **more):
    """Describe a test with equal shares."""
    content = {"dimension": "cta", "arms": dict.fromkeys(arms, 1.0), "metric": "guide"}
    return ExperimentSettings.model_validate({**content, "within_days": 7, **more})


def units_of(*groups, arms=("A", "B"), **more):
    """Make units from (size, done) of each arm, in an order that mixes them."""
    arm = np.concatenate([np.full(size, k) for k, (size, _) in enumerate(groups)])
    metric = np.concatenate([np.arange(size) < done for size, done in groups])
    order = np.random.default_rng(1).permutation(len(arm))
    columns = {
        name: {k: v[order] for k, v in value.items()} if isinstance(value, dict) else value[order]
        for name, value in more.items()
    }
    return Units(arms, arm[order], np.arange(len(arm)), metric[order], **columns)


def test_a_sample_ratio_mismatch_stops_the_analysis():
    """The missing units may be those who would have converted: no difference is given."""
    found = analyse("t", units_of((5800, 580), (4200, 630)), settings_of(), SETTINGS)
    assert found.result == "sample_ratio_mismatch"
    assert set(found.tables) == {"arms"}
    assert "sample ratio mismatch (A 5,800 instead of 5,000" in found.summary[0]


def test_an_empty_arm_is_named():
    """It leaves nothing to compare."""
    found = analyse("t", units_of((50, 5), (0, 0)), settings_of(), SETTINGS)
    assert found.result == "empty_arm"
    assert "`B`" in found.missing[0]


def test_a_winner_is_stated_with_its_interval_and_as_an_effect():
    """The words for a randomised comparison; 25 % against 20 % of 2,000."""
    found = analyse("t", units_of((2000, 400), (2000, 500)), settings_of(), SETTINGS)
    assert found.result == "winner"
    assert "B is better than A. 25.0% did `guide` against 20.0%" in found.summary[0]
    assert "effect" in found.summary[0]


def test_no_difference_comes_with_the_minimum_detectable_effect():
    """Otherwise "not significant" reads as "no effect"."""
    test = settings_of(minimum_effect=0.1)
    found = analyse("t", units_of((1000, 100), (1000, 104)), test, SETTINGS)
    assert found.result == "no_difference"
    assert "the minimum detectable effect is 41%" in found.summary[0]
    assert (
        "to detect 10% it needs 14,7" in found.summary[0]
    )  # power.prop.test(p1=.1, p2=.11): 14,751


def test_a_harmed_guardrail_metric_is_reported():
    """More clicks at the price of unsubscriptions."""
    left = np.concatenate([np.arange(2000) < 10, np.arange(2000) >= 1960])
    units = units_of((2000, 400), (2000, 500), guardrails={"left": left})
    found = analyse("t", units, settings_of(guardrails=["left"]), SETTINGS)
    (row,) = found.tables["guardrails"]
    assert row["harmed"]
    assert row["rate"] == pytest.approx(0.02)
    assert any("harms the guardrail metric `left`" in text for text in found.summary)


def test_without_values_revenue_is_missing():
    """It is not compared as if everybody had paid nothing."""
    found = analyse("t", units_of((200, 40), (200, 50)), settings_of(), SETTINGS)
    assert any("no conversion has a value" in gap for gap in found.missing)
    assert found.tables["comparisons"][0]["revenue_difference"] is None


def test_factors_that_always_change_together_cannot_be_separated():
    """Two arms do not show whether subject or button made the difference."""
    factors = {"subject": {"A": "x", "B": "y"}, "button": {"A": "go", "B": "read"}}
    found = analyse("t", units_of((500, 50), (500, 80)), settings_of(factors=factors), SETTINGS)
    assert "factors" not in found.tables
    assert any("cannot be separated" in gap for gap in found.missing)


def test_a_factorial_experiment_has_an_effect_per_factor():
    """Four arms of 2,000: the button adds ten points, the subject nothing."""
    arms = ("a", "b", "c", "d")
    factors = {
        "subject": {"a": "x", "b": "x", "c": "y", "d": "y"},
        "button": {"a": "go", "b": "read", "c": "go", "d": "read"},
    }
    units = units_of((2000, 200), (2000, 400), (2000, 200), (2000, 400), arms=arms)
    found = analyse("t", units, settings_of(arms, factors=factors), SETTINGS)
    effects = {row["factor"]: row for row in found.tables["factors"]}
    assert effects["button"]["difference"] == pytest.approx(0.1)
    assert effects["subject"]["difference"] == pytest.approx(0)
    assert effects["button"]["p_adjusted"] < 0.001


def test_the_order_of_the_units_in_time_changes_nothing_but_the_looks():
    """The comparison is of all units; only the looks depend on their order."""
    units = units_of((500, 50), (500, 80))
    turned = Units(units.arms, units.arm[::-1], units.assigned, units.metric[::-1])
    one, other = (analyse("t", u, settings_of(), SETTINGS).tables for u in (units, turned))
    assert one["comparisons"][0]["difference_low"] == other["comparisons"][0]["difference_low"]
    assert one["looks"] != other["looks"]
