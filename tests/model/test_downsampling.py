"""Fewer rows without a conversion: the base rate, the slope and the hazard stay as they are."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_world import HORIZON_DAYS, make

from microconv.model import fit as fit_module
from microconv.model import training_rows
from microconv.model.fit import fit_base_models, fit_ensemble
from microconv.model.logistic import fit_logistic, sigmoid
from microconv.model.training_rows import (
    TrainingConfig,
    _hash_uniforms,
    _negative_fraction,
    downsample_negatives,
    rows_at,
)
from microconv.settings import ModelSettings
from worlds.training_sets import MODEL, planted_set

MONTH = timedelta(days=HORIZON_DAYS)


def questions(n: int) -> pd.DataFrame:
    """Make so many rows, ten prospects a week."""
    as_of = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) // 10 * 7, "D")
    return pd.DataFrame({"prospect_id": [f"p{k % 10}" for k in range(n)], "as_of": as_of})


@given(st.integers(40, 400), st.integers(0, 2**31))
def test_every_conversion_is_kept_and_both_weights_add_up(most, seed):
    """The sum of weights is the base rate that every base model learns."""
    rng = np.random.default_rng(seed)
    converted, weights = rng.random(300) < 0.05, rng.uniform(0.1, 1, 300)
    kept, after = downsample_negatives(questions(300), converted, weights, most)
    assert kept[converted].all()
    for side in (converted, ~converted):
        assert after[side[kept]].sum() == pytest.approx(weights[side].sum())
    assert np.array_equal(after[converted[kept]], weights[converted])


@given(st.integers(40, 400), st.integers(5, 60), st.integers(0, 2**31))
def test_a_trial_draws_of_the_conversions_too_and_both_weights_still_add_up(most, few, seed):
    """And where there are no more of them than requested, every one is kept as it is."""
    rng = np.random.default_rng(seed)
    converted, weights = rng.random(300) < 0.2, rng.uniform(0.1, 1, 300)
    kept, after = downsample_negatives(questions(300), converted, weights, most, max_positives=few)
    for side in (converted, ~converted):
        if kept[side].any():
            assert after[side[kept]].sum() == pytest.approx(weights[side].sum())
    if converted.sum() <= few:
        plain = downsample_negatives(questions(300), converted, weights, most)
        assert np.array_equal(kept, plain[0])
        assert np.array_equal(after, plain[1])


def test_about_as_many_conversions_are_drawn_as_asked_for_and_four_others_for_each():
    """2,000 of 10,000, and 8,000 of those without, whatever less was requested."""
    rows, converted = questions(60_000), np.arange(60_000) % 6 == 0
    kept, _ = downsample_negatives(rows, converted, np.ones(60_000), 100, max_positives=2000)
    assert kept[converted].sum() == pytest.approx(2000, rel=0.06)
    assert kept[~converted].sum() == pytest.approx(8000, rel=0.04)


def test_about_as_many_are_drawn_as_asked_for_evenly():
    """Draws are even over prospects and dates: 5,000 of 20,000 is a quarter, give or take 2 %."""
    rows = questions(20_000)
    kept, _ = downsample_negatives(rows, np.zeros(20_000, bool), np.ones(20_000), 5000)
    assert abs(kept.sum() - 5000) < 3 * np.sqrt(20_000 * 0.25 * 0.75)
    assert np.histogram(_hash_uniforms(rows), bins=4, range=(0, 1))[0] == pytest.approx(
        5000, rel=0.05
    )


def test_the_order_of_the_rows_changes_nobodys_draw():
    """It depends on how many buckets the log has."""
    rows = questions(200)
    order = np.random.default_rng(0).permutation(200)
    assert np.array_equal(_hash_uniforms(rows)[order], _hash_uniforms(rows.iloc[order]))


def test_below_the_size_nothing_is_drawn():
    """Small data have no row to spare."""
    weights = np.array([0.5, 1.0, 0.25])
    kept, after = downsample_negatives(questions(3), np.array([True, False, False]), weights, 2)
    assert kept.all()
    assert after is weights


def test_where_half_convert_nothing_is_drawn():
    """There is nothing to be had: four rows without a conversion are kept for each with one."""
    assert _negative_fraction(np.arange(1000) % 2 == 0, 10) == 1.0


def means_and_slopes(seed: int, most: int | None) -> dict[str, tuple[float, float]]:
    """Learn from 20,000 rows of which 3 % convert; hold fresh rows against their truth.

    Returns of each base model the mean probability over the true one, and the slope of the
    outcomes on its logit.
    """
    world, fresh = (make(20_000, 12, rate=0.03, seed=at) for at in (seed, 1000 + seed))
    snapshots = world.training_set.snapshots
    labels = snapshots["converted"].to_numpy(bool)
    everybody = world.training_set.labelled
    config = TrainingConfig(ModelSettings(seed=1, max_negatives=most), MONTH, threads=1)
    columns = world.training_set.fit_columns(everybody, labels)
    ensemble = fit_base_models(snapshots, columns, everybody, config, None)
    fresh_values = fresh.training_set.fit_columns(everybody, labels).values
    happened = fresh.training_set.snapshots["converted"].to_numpy(bool)
    out = {}
    for name, logit in ensemble.base_logits(fresh_values, threads=1).items():
        slope = fit_logistic(np.column_stack([logit, np.ones(len(logit))]), happened)[0]
        out[name] = float(sigmoid(logit).mean() / fresh.truth.mean()), float(slope)
    return out


def test_uncorrected_probabilities_would_be_seen(monkeypatch):
    """A quarter of the rows without weights make every probability several times too high."""
    original = means_and_slopes(0, 5000)
    plain = training_rows.downsample_negatives
    for place in (
        "microconv.model.fit.downsample_negatives",
        "microconv.model.hazard.downsample_negatives",
    ):
        monkeypatch.setattr(
            place,
            lambda rows, yes, w, most, **_: (kept := plain(rows, yes, w, most)[0], w[kept]),
        )
    for name, (mean, _) in means_and_slopes(0, 5000).items():
        assert mean > 2.5, name
        assert original[name][0] == pytest.approx(1, abs=0.1), name


@pytest.mark.slow
def test_over_seeds_the_mean_and_the_slope_stay_what_all_rows_make_them():
    """Twelve worlds; a quarter of the rows, eight for each conversion.

    The differences are paired, world by world: with three standard errors they lie within three
    hundredths of the mean probability and a tenth of the slope.
    """
    all_rows, drawn = ([means_and_slopes(seed, m) for seed in range(12)] for m in (None, 4800))
    for name in all_rows[0]:
        gaps = np.array(
            [np.subtract(b[name], a[name]) for a, b in zip(all_rows, drawn, strict=True)]
        )
        mean, error = gaps.mean(axis=0), gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps))
        assert abs(mean[0]) + 3 * error[0] < 0.03, name
        slope = np.mean([made[name][1] for made in all_rows])
        assert abs(mean[1]) + 3 * error[1] < 0.1 * slope, name


def test_the_result_states_that_rows_were_drawn(monkeypatch):
    """Readers of the model page should know how many rows were used."""
    monkeypatch.setattr(training_rows, "NEGATIVES_PER_POSITIVE", 0)
    plain = planted_set()
    train = rows_at(plain.snapshots, tuple(plain.snapshots["as_of"].unique()))
    whole, sampled = (
        TrainingConfig(MODEL.model_copy(update={"max_negatives": most}), MONTH, threads=1)
        for most in (None, 500)
    )
    assert "reweighted" not in fit_ensemble(plain, train, whole).choice
    negatives = int((~plain.snapshots["converted"]).sum())
    choice = fit_ensemble(plain, train, sampled).choice
    assert f"about 500 of {negatives:,} rows without a conversion, reweighted" in choice


def test_the_trial_is_downsampled_where_the_refit_is_not(monkeypatch):
    """The trial uses no more rows than it needs; the refit uses every row."""
    monkeypatch.setattr(fit_module, "TRIAL_NEGATIVES", 1000)
    monkeypatch.setattr(training_rows, "NEGATIVES_PER_POSITIVE", 0)
    used: list[int] = []
    original = fit_module.fit_trees

    def watched(values, *rest, **given):
        used.append(values.shape[1])
        return original(values, *rest, **given)

    monkeypatch.setattr(fit_module, "fit_trees", watched)
    plain = planted_set(prospects=1000)
    every = np.ones(len(plain), bool)
    choice = fit_ensemble(plain, every, TrainingConfig(MODEL, MONTH, threads=1)).choice
    tried, refitted = used
    snapshots = plain.snapshots
    begins = pd.Timestamp(choice.split(" from ")[1][:10], tz="UTC")
    earlier = snapshots[snapshots["as_of"] + MONTH <= begins]
    won = int((earlier["converted"] & (earlier["known_at"] < begins)).sum())
    assert tried == pytest.approx(1000 + won, rel=0.05)
    assert len(earlier) > 1.2 * tried
    assert refitted == len(snapshots)
    assert f"chosen on {int((snapshots['as_of'] >= begins).sum())} rows" in choice


def test_few_rows_judge_for_many_and_every_conversion_is_heard(monkeypatch):
    """Of the later slice 300 rows without a conversion weigh as much as all of them did."""
    monkeypatch.setattr(fit_module, "VALIDATION_NEGATIVES", 300)
    monkeypatch.setattr(training_rows, "NEGATIVES_PER_POSITIVE", 0)
    calls = []
    original = fit_module.choose_shift

    def watched(logit, holdout):
        calls.append((len(logit), holdout))
        return original(logit, holdout)

    monkeypatch.setattr(fit_module, "choose_shift", watched)
    plain = planted_set(prospects=1000)
    choice = fit_ensemble(
        plain, np.ones(len(plain), bool), TrainingConfig(MODEL, MONTH, threads=1)
    ).choice
    begins = pd.Timestamp(choice.split(" from ")[1][:10], tz="UTC")
    fresh_values = plain.snapshots[plain.snapshots["as_of"] >= begins]
    [(rows, holdout)] = calls
    assert rows == len(holdout)
    assert holdout.labels.sum() == fresh_values["converted"].sum()
    assert (~holdout.labels).sum() == pytest.approx(300, rel=0.2)
    assert holdout.weights.sum() == pytest.approx(len(fresh_values))
    assert set(holdout.weights[holdout.labels]) == {1.0}
    assert f"chosen on {len(fresh_values)} rows" in choice
