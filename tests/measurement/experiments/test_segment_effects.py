"""Effects by segment and the test of their interaction."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from microconv.measurement.experiments.segment_effects import OTHERS, effects_by_segment
from microconv.measurement.experiments.units import Units


def units_of(*groups):
    """Make units from (arm, level, size, done)."""
    arm = np.concatenate([np.full(size, a) for a, _, size, _ in groups])
    level = np.concatenate([np.full(size, name, dtype=object) for _, name, size, _ in groups])
    metric = np.concatenate([np.arange(size) < done for *_, size, done in groups])
    return Units(("A", "B"), arm, np.zeros(len(arm), np.int64), metric, segments={"size": level})


OPPOSITE = (
    (0, "big", 400, 80), (1, "big", 400, 160), (0, "small", 400, 160), (1, "small", 400, 80),
)  # fmt: skip


def test_opposite_effects_in_two_segments_are_significant():
    """Together they cancel; each is large."""
    found = effects_by_segment(units_of(*OPPOSITE), 1, "size", confidence=0.95)
    assert found.p_value < 1e-6
    assert [level.comparison.difference for level in found.levels] == pytest.approx([0.2, -0.2])


def test_the_interaction_is_cochrans_q():
    """Of the same differences and variances, statsmodels' meta-analysis finds the same."""
    groups = (
        (0, "a", 300, 30), (1, "a", 310, 50), (0, "b", 500, 60), (1, "b", 480, 66),
        (0, "c", 200, 33), (1, "c", 210, 30),
    )  # fmt: skip
    found = effects_by_segment(units_of(*groups), 1, "size", confidence=0.95)
    effect, variance = [], []
    for control, treated in zip(groups[::2], groups[1::2], strict=True):
        effect.append(treated[3] / treated[2] - control[3] / control[2])
        shares = [((done + 1) / (size + 2), size + 2) for *_, size, done in (control, treated)]
        variance.append(sum(p * (1 - p) / n for p, n in shares))
    judged = combine_effects(np.array(effect), np.array(variance)).test_homogeneity()
    assert found.p_value == pytest.approx(judged.pvalue)


def test_small_levels_are_grouped():
    """Ten levels of ten units would make ten false positives likely."""
    tiny = [(arm, f"level {k}", 10, 3) for k in range(10) for arm in (0, 1)]
    found = effects_by_segment(units_of(*OPPOSITE, *tiny), 1, "size", confidence=0.95)
    assert [level.name for level in found.levels] == [OTHERS, "big", "small"]
    assert found.levels[0].one == (30, 100)


def test_the_false_positive_rate_of_the_interaction_is_nominal():
    """Of 300 draws without an interaction about 15 may come out below 5 %."""
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(300):
        groups = [
            (arm, name, 200, int(rng.binomial(200, rate)))
            for name, rate in (("a", 0.1), ("b", 0.3), ("c", 0.2))
            for arm in (0, 1)
        ]
        called += effects_by_segment(units_of(*groups), 1, "size", confidence=0.95).p_value < 0.05
    assert called <= 27
