"""Baselines: what each ranks by, and what happens without its columns."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from microconv.features.row_view import RowView
from microconv.journey import JourneyMap
from microconv.model.baselines import MIN_PROBABILITY, BaselineInputs, Predict, fit_baselines
from microconv.settings import ForestSettings, PointsSettings
from worlds.logs import JOURNEY
from worlds.training_sets import MODEL, planted_set

PLANTED = planted_set()
INPUTS = BaselineInputs(
    names=PLANTED.names,
    values=PLANTED.values,
    labels=PLANTED.snapshots["converted"].to_numpy(bool),
    weights=np.ones(len(PLANTED)),
    journey=JOURNEY,
    settings=MODEL,
    threads=1,
)


@cache
def fitted() -> dict[str, Predict]:
    """Fit every rule to the planted set, once."""
    return fit_baselines(INPUTS)[0]


def column(name: str) -> np.ndarray:
    """Return a planted column."""
    return PLANTED.values[PLANTED.names.index(name)].astype(np.float64)


def same_order(probability: np.ndarray, score: np.ndarray) -> bool:
    """Return whether a higher score always has a higher probability, and equal ones equal."""
    order = np.argsort(score, kind="stable")
    steps, rises = np.diff(score[order]), np.diff(probability[order])
    return bool((rises[steps > 0] >= 0).all() and (rises[steps == 0] == 0).all())


def test_all_of_them_are_there():
    """The planted columns hold what every rule needs."""
    assert set(fitted()) == {"base_rate", "recency", "activity", "opens", "points", "forest"}
    assert fit_baselines(INPUTS)[1] == {}


def test_a_row_view_gives_what_a_copy_gives():
    """The backtest passes positions, in its own order; results are identical."""
    rows = np.random.default_rng(5).permutation(len(PLANTED))[:900]
    some = replace(INPUTS, labels=INPUTS.labels[rows], weights=INPUTS.weights[rows])
    copied = fit_baselines(replace(some, values=PLANTED.values[:, rows]))[0]
    viewed = fit_baselines(replace(some, values=RowView((PLANTED.values,), rows)))[0]
    for name, rule in copied.items():
        assert np.array_equal(rule(PLANTED.values), viewed[name](PLANTED.values))


def test_the_base_rate_is_the_share_of_rows():
    """Of rows, whatever they weigh: it is what a row is worth knowing nothing of it."""
    p = fit_baselines(replace(INPUTS, weights=np.linspace(0.1, 1, len(PLANTED))))[0]
    assert p["base_rate"](PLANTED.values[:, :3]) == pytest.approx([INPUTS.labels.mean()] * 3)


@pytest.mark.parametrize(
    ("rule", "score"),
    [
        ("recency", -column("recency.(any).last")),
        (
            "activity",
            sum(column(f"counts.kind={k}.30d") for k in ("exposure", "micro", "major", "exit")),
        ),
        (
            "points",
            sum(
                points * (column(f"counts.{step}.30d") > 0)
                for step, points in (("blog", 1), ("guide", 2), ("pricing", 3), ("reference", 4))
            ),
        ),
    ],
)
def test_a_rule_ranks_by_its_one_score(rule, score):
    """The curve turns a score into a probability and never reorders anybody."""
    p = fitted()[rule](PLANTED.values)
    assert same_order(p, score) or same_order(p, -score)


def test_recency_puts_the_latest_first():
    """As planted: the longer the silence, the lower the probability."""
    assert same_order(fitted()["recency"](PLANTED.values), -column("recency.(any).last"))


def test_opens_looks_at_exposures_called_open_alone():
    """`opened` is one, `sent` is not."""
    values = PLANTED.values.copy()
    values[PLANTED.names.index("counts.sent.30d")] += 5
    assert np.array_equal(fitted()["opens"](values), fitted()["opens"](PLANTED.values))
    assert same_order(fitted()["opens"](values), column("counts.opened.30d")) or same_order(
        fitted()["opens"](values), -column("counts.opened.30d")
    )


@pytest.mark.parametrize("rule", ["recency", "activity", "points", "opens"])
def test_a_rules_probabilities_fit_the_rows_they_were_fitted_on(rule):
    """Log loss and Brier mean something: on average as many convert as it predicts."""
    assert fitted()[rule](PLANTED.values).mean() == pytest.approx(INPUTS.labels.mean(), abs=0.002)


@pytest.mark.parametrize(
    ("dropped", "rules"),
    [
        ("recency.", {"recency"}),
        ("counts.kind=", {"activity"}),
        ("counts.", {"activity", "points", "opens", "forest"}),
    ],
)
def test_a_rule_without_its_columns_is_left_out_with_a_reason(dropped, rules):
    """Other feature settings cause no crash; the report names the rule that is missing, and why."""
    kept = [k for k, name in enumerate(INPUTS.names) if not name.startswith(dropped)]
    kept_rules, left_out = fit_baselines(
        replace(INPUTS, names=[INPUTS.names[k] for k in kept], values=INPUTS.values[kept])
    )
    assert set(left_out) == rules
    assert rules.isdisjoint(kept_rules)
    assert all("needs the columns" in reason for reason in left_out.values())


def test_another_window_for_points_is_a_reason_too():
    """Points over 45 days need counts over 45 days, which nobody made."""
    settings = MODEL.model_copy(update={"points": PointsSettings(within_days=45)})
    assert "45d" in fit_baselines(replace(INPUTS, settings=settings))[1]["points"]


def test_a_journey_without_opens_leaves_the_rule_out():
    """Loan applications open no mail."""
    steps = tuple(step for step in JOURNEY.steps if step.name != "opened")
    bare = JourneyMap(JOURNEY.stages, steps)
    assert "no step" in fit_baselines(replace(INPUTS, journey=bare))[1]["opens"]


def test_the_forest_learns_from_at_most_so_many_rows():
    """It is for comparison, not the run's longest step; the rows are drawn with the seed."""
    few = MODEL.model_copy(update={"forest": ForestSettings(trees=3, max_rows=50)})
    one, two = (fit_baselines(replace(INPUTS, settings=few))[0]["forest"] for _ in range(2))
    assert one.keywords["trees"][0].tree_.n_node_samples[0] <= 50
    assert np.array_equal(one(PLANTED.values), two(PLANTED.values))
    reseeded = fit_baselines(replace(INPUTS, settings=few.model_copy(update={"seed": 4})))[0]
    assert not np.array_equal(one(PLANTED.values), reseeded["forest"](PLANTED.values))


def test_the_forest_is_the_same_on_any_number_of_threads():
    """Its trees are summed in one order."""
    two = fit_baselines(replace(INPUTS, threads=2))[0]["forest"]
    assert np.array_equal(two(PLANTED.values), fitted()["forest"](PLANTED.values))


def test_the_forests_probabilities_are_never_0_or_1():
    """A log loss must not be infinite because twenty trees agreed."""
    plain = replace(INPUTS, labels=column("counts.pricing.30d") > 0)
    p = fit_baselines(plain)[0]["forest"](PLANTED.values)
    assert (p.min(), p.max()) == (MIN_PROBABILITY, 1 - MIN_PROBABILITY)
