"""A real randomised e-mail test in three arms, against statsmodels called directly."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from microconv.measurement.experiments.experiments import analyse
from microconv.measurement.experiments.units import Units
from microconv.settings import ExperimentSettings, ExperimentsSettings

pytestmark = pytest.mark.skipif(
    "MICROCONV_REAL_DATA" not in os.environ, reason="needs MICROCONV_REAL_DATA"
)

ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
TEST = ExperimentSettings.model_validate(
    {
        "dimension": "content",
        "arms": dict.fromkeys(ARMS, 1.0),
        "metric": "visit",
        "within_days": 14,
        "guardrails": [],
    }
)
SETTINGS = ExperimentsSettings(bootstrap=2000)


@pytest.fixture(scope="module")
def customers():
    """Read the customers."""
    folder = Path(os.environ["MICROCONV_REAL_DATA"]) / "hillstrom"
    return pd.concat([pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))])


def units_of(customers, outcome):
    """Make units of the customers; nothing but the order of the rows says when they came."""
    return Units(
        arms=ARMS,
        arm=np.array([ARMS.index(name) for name in customers["segment"]]),
        assigned=np.arange(len(customers)),
        metric=customers[outcome].to_numpy() == 1,
        revenue=customers["spend"].to_numpy(dtype=float),
        before=customers["history"].to_numpy(dtype=float),
        segments={"channel": customers["channel"].to_numpy(dtype=object)},
    )


@pytest.fixture(scope="module")
def read(customers):
    """Analyse the test once for each outcome."""
    return {
        outcome: analyse("hillstrom", units_of(customers, outcome), TEST, SETTINGS)
        for outcome in ("visit", "conversion")
    }


@pytest.mark.parametrize("outcome", ["visit", "conversion"])
def test_every_two_arms_have_newcombes_interval(customers, read, outcome):
    """Counts by pandas, intervals and tests by statsmodels."""
    found = read[outcome]
    counts = customers.groupby("segment")[outcome].agg(["sum", "count"])
    p_values = []
    for row in found.tables["comparisons"]:
        one, other = counts.loc[row["arm"]], counts.loc[row["reference"]]
        pair = (one["sum"], one["count"], other["sum"], other["count"])
        interval = confint_proportions_2indep(*pair, method="newcomb")
        assert (row["difference_low"], row["difference_high"]) == pytest.approx(interval)
        strict = confint_proportions_2indep(*pair, method="newcomb", alpha=0.05 / 3)
        assert (row["simultaneous_low"], row["simultaneous_high"]) == pytest.approx(strict)
        assert row["difference"] == pytest.approx(pair[0] / pair[1] - pair[2] / pair[3])
        p_values.append(proportions_ztest([pair[0], pair[2]], [pair[1], pair[3]])[1])
        assert row["p_value"] == pytest.approx(p_values[-1])
        assert row["anytime_low"] <= row["simultaneous_low"]
        assert row["anytime_high"] >= row["simultaneous_high"]
    assert len(p_values) == 3
    adjusted = multipletests(p_values, method="holm")[1]
    assert [row["p_adjusted"] for row in found.tables["comparisons"]] == pytest.approx(adjusted)


def test_the_split_holds_and_both_letters_beat_none(customers, read):
    """What is known of this test: men's e-mail before women's before none."""
    found = read["visit"]
    assert found.result == "winner"
    assert [text.split(". ")[0] for text in found.summary[:3]] == [
        "hillstrom: Mens E-Mail is better than No E-Mail",
        "hillstrom: Womens E-Mail is better than No E-Mail",
        "hillstrom: Mens E-Mail is better than Womens E-Mail",
    ]
    rates = {row["arm"]: row["rate"] for row in found.tables["arms"]}
    assert rates == pytest.approx(customers.groupby("segment")["visit"].mean().to_dict())


def test_revenue_and_cuped_agree_with_what_pandas_says(customers, read):
    """Mean spend by arm; and the past spend of a customer hardly says who will visit."""
    found = read["visit"]
    spend = customers.groupby("segment")["spend"].mean()
    first = found.tables["comparisons"][0]
    gap = spend["Mens E-Mail"] - spend["No E-Mail"]
    assert first["revenue_difference"] == pytest.approx(gap)
    assert 0 < first["revenue_low"] < gap < first["revenue_high"]
    assert first["cuped_difference"] == pytest.approx(first["difference"], abs=0.003)
    assert 0 < first["cuped_variance_removed"] < 0.05
