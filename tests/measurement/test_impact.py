"""Impact: recovery of planted effects in simulated worlds, landmark analysis and revenue."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from microconv.measurement.impact.impact import impact
from microconv.measurement.impact.landmark import (
    LandmarkCohort,
    compare_revenue,
    draw_bootstrap,
    landmark_cohort,
    landmark_ratio,
)
from microconv.measurement.study.human_events import select_human_events
from microconv.settings import MeasureSettings, PlannedSequence
from worlds.logs import event, instant
from worlds.studies import SHIPPED, study_of, study_of_world

PLANTED = "comparison_guide > demo_video > pricing_visit"
DAYS = 86_400


def day(number):
    """Return midnight so many days before AS_OF."""
    return instant(-number * DAYS)


def measured_in(world, seeds, *, prospects=20_000):
    """Measure the impact in several worlds; one row per world."""
    rows = []
    for seed in seeds:
        study, truth = study_of_world(world, prospects=prospects, seed=seed)
        tables = impact(study, SHIPPED.measure).tables
        both = pd.concat([tables["steps"], tables["sequences"]])
        mined = tables["sequences"].set_index("sequence")
        landmarks = both[both["landmark_ratio_low"].notna()]
        rows.append(
            {
                "truth": truth["against_another_order"]["ratio"],
                "planned": tables["claims"].iloc[0],
                "mined": mined.loc[PLANTED] if PLANTED in mined.index else None,
                "significant": int(both["significant"].sum()),
                "tests": len(both),
                "landmarks": len(landmarks),
                "covering": int(
                    (
                        (landmarks["landmark_ratio_low"] <= 1)
                        & (landmarks["landmark_ratio_high"] >= 1)
                    ).sum()
                ),
            }
        )
    return rows


def covers(figures, truth):
    """Return whether the interval of the order ratio contains the truth."""
    return figures["order_ratio_low"] <= truth <= figures["order_ratio_high"]


def check_planted(rows, least):
    """Check that it is mined, and that the intervals of all prospects and of the test half hold."""
    assert all(row["mined"] is not None for row in rows)
    assert sum(covers(row["planned"], row["truth"]) for row in rows) >= least
    assert sum(covers(row["mined"], row["truth"]) for row in rows) >= least
    assert all(row["truth"] > 2.3 for row in rows)


def check_confounded(rows, least):
    """Check that the unadjusted ratio is high, the interval covers 1, and the answer is not yes."""
    assert all(row["planned"]["unadjusted_ratio"] > 2 for row in rows)
    assert sum(covers(row["planned"], 1.0) for row in rows) >= least
    assert sum(row["planned"]["answer"] == "yes" for row in rows) <= len(rows) - least
    for row in rows:
        assert (
            f"The unadjusted ratio is {row['planned']['unadjusted_ratio']:.1f}"
            in row["planned"]["sentence"]
        )


def check_null(rows):
    """Count significant results, and landmark intervals that contain 1."""
    tests = sum(row["tests"] for row in rows)
    assert sum(row["significant"] for row in rows) <= 0.05 * tests
    landmarks = sum(row["landmarks"] for row in rows)
    assert landmarks > 20 * len(rows)
    assert sum(row["covering"] for row in rows) >= 0.9 * landmarks


def test_the_planted_sequence_is_mined_and_its_ratio_recovered():
    """Two of the twenty seeds of the slow tests."""
    check_planted(measured_in("planted", (1, 2)), least=2)


def test_a_confounded_sequence_gets_no_yes():
    """Interested people complete more and buy more; the order has no effect."""
    check_confounded(measured_in("confounded", (1, 2)), least=2)


def test_nothing_is_significant_in_a_null_world():
    """P-values are corrected for multiple tests."""
    check_null(measured_in("null", (1, 2)))


@pytest.mark.slow
def test_over_twenty_seeds_the_planted_ratio_is_covered():
    """An interval of 95 % misses once in twenty."""
    check_planted(measured_in("planted", range(1, 21)), least=18)


@pytest.mark.slow
def test_over_twenty_seeds_a_confounded_sequence_gets_no_yes():
    """The interval of the order ratio covers 1."""
    check_confounded(measured_in("confounded", range(1, 21)), least=18)


@pytest.mark.slow
def test_over_twenty_seeds_nothing_is_significant_in_a_null_world():
    """False discoveries are rare, and landmark intervals have their coverage."""
    check_null(measured_in("null", range(1, 21)))


def settings(**changes):
    """Make settings for hand-made logs."""
    return MeasureSettings(**{"landmark_days": 10, "horizon_days": 20, **changes})


def test_the_landmark_cohort_is_at_risk_active_and_followed():
    """Landmark on day 10, activity within 30 days, horizon of 20 days; ends are exclusive."""
    rows = [
        event("active", "blog", day(40)),
        event("active", "won", day(11), value=70.0),  # day 29 of 30
        event("late", "blog", day(29)),  # its horizon ends after the study
        event("gone", "blog", day(40)),
        event("gone", "won", day(31)),  # before the landmark
        event("idle", "sent", day(40)),  # did nothing
        event("slow", "blog", day(40)),
        event("slow", "won", day(10)),  # day 30: after the horizon
    ]
    study = study_of(*rows)
    human_events = select_human_events(study, min_human_probability=0.5)
    landmark = landmark_cohort(study, human_events, settings(), np.ones(len(study), bool))
    names = study.prospect_ids.take(landmark.prospect).to_pylist()
    assert names == ["active", "slow"]
    assert landmark.converted.tolist() == [True, False]
    assert landmark.days[0] == 29
    assert landmark.value.tolist() == [70, 0]


def two_strata(rng, n=4000):
    """Make a landmark in two strata, completers commoner and richer in the second."""
    stratum = rng.integers(0, 2, n)
    completed = rng.random(n) < np.where(stratum == 1, 0.6, 0.2)
    converted = rng.random(n) < np.where(stratum == 1, 0.2, 0.05)
    value = np.where(converted, rng.lognormal(5, 1, n), 0.0)
    return (
        LandmarkCohort(
            prospect=np.arange(n),
            at=np.zeros(n, np.int64),
            stratum=stratum,
            converted=converted,
            days=np.where(converted, rng.uniform(10, 30, n), np.nan),
            value=value,
            lifetime_value=value,
        ),
        completed,
    )


def test_the_landmark_ratio_equals_that_of_stratified_tables():
    """Prospects counted by pandas, ratio by statsmodels."""
    from statsmodels.stats.contingency_tables import StratifiedTable

    landmark, completed = two_strata(np.random.default_rng(3))
    tables = [
        pd.crosstab(~completed[landmark.stratum == s], ~landmark.converted[landmark.stratum == s])
        for s in (0, 1)
    ]
    expected = StratifiedTable([table.to_numpy(float) for table in tables]).riskratio_pooled
    found = landmark_ratio(landmark, completed, confidence=0.95)
    assert found.ratio == pytest.approx(expected)
    assert found.low < 1 < found.high
    crude = landmark.converted[completed].mean() / landmark.converted[~completed].mean()
    assert crude > 1.5


def test_revenue_is_compared_at_the_completers_mix_and_its_interval_is_about_normal():
    """By group means, and by the textbook variance of a difference of weighted means."""
    landmark, completed = two_strata(np.random.default_rng(5))
    frame = pd.DataFrame({"s": landmark.stratum, "c": completed, "v": landmark.value})
    mean = frame.groupby(["c", "s"])["v"].mean()
    share = frame[frame["c"]]["s"].value_counts(normalize=True)
    others = sum(share[s] * mean[False, s] for s in (0, 1))
    found = compare_revenue(
        landmark, completed, draw_bootstrap(landmark, 4000, seed=1), confidence=0.95
    ).revenue
    assert found.completers == pytest.approx(frame[frame["c"]]["v"].mean())
    assert found.others == pytest.approx(others)
    variance = 0.0
    for (_, s), group in frame.groupby(["c", "s"]):
        weight = share[s]
        variance += weight**2 * group["v"].var() / len(group)
    half = 1.96 * math.sqrt(variance)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


def test_trimmed_revenue_leaves_the_largest_deal_out():
    """One giant deal must not decide the comparison."""
    landmark, completed = two_strata(np.random.default_rng(7))
    giant = np.flatnonzero(landmark.converted & completed)[0]
    landmark.value[giant] = 1e9
    found = compare_revenue(
        landmark, completed, draw_bootstrap(landmark, 200, seed=1), confidence=0.95
    )
    assert found.revenue.difference > 1e5
    assert abs(found.revenue_trimmed.difference) < 1e3


def test_missing_data_are_named_and_the_rest_is_measured():
    """No revenue, no conversion, one step, an unknown sequence."""
    rows = [event(f"p{k}", "blog", day(5)) for k in range(30)]
    planned = (PlannedSequence(steps=("blog", "teleport")),)
    found = impact(study_of(*rows), settings(sequences=planned))
    sentences = " ".join(found.missing)
    for gap in ("teleport", "Nobody converted", "has a value", "often enough"):
        assert gap in sentences
    assert len(found.tables["steps"]) == 4
    assert not len(found.tables["claims"])
