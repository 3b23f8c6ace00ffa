"""Contributions through a rising map: the sum is exact, and cancelled parts stay small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.model.calibration import Calibration
from microconv.model.logistic import rescale_contributions

BETA = Calibration("beta", 1.4, 0.5, 0.2)
LOGITS = st.floats(-8, 8)


@given(st.lists(LOGITS, min_size=1, max_size=6), LOGITS)
def test_the_parts_sum_to_the_map_of_their_sum(parts, intercept):
    """Nothing is left over, whatever the parts."""
    out = rescale_contributions(np.array([[*parts, intercept]]), BETA)
    assert out.sum() == pytest.approx(float(BETA(np.array(sum(parts) + intercept))), abs=1e-9)
    assert out[0, -1] == float(BETA(np.array(intercept)))


@given(part=st.floats(0.1, 4), intercept=LOGITS, left=st.sampled_from([0.0, 1e-17, -3e-16, 1e-9]))
def test_parts_that_cancel_are_scaled_by_the_slope_where_they_stand(part, intercept, left):
    """+0.4 and −0.4 leave rounding as their way; a ratio of two roundings is no slope.

    By hand, the slope of a·log p − b·log(1 − p) over the logit is a·(1 − p) + b·p.
    """
    out = rescale_contributions(np.array([[part, -part + left, intercept]]), BETA)
    p = 1 / (1 + np.exp(-intercept))
    assert out[0, 0] / part == pytest.approx(1.4 * (1 - p) + 0.5 * p, abs=1e-4)


def test_a_line_scales_every_part_by_its_slope():
    """Twice the logit is twice each part; worked by hand."""
    out = rescale_contributions(np.array([[1.0, -0.25, 2.0]]), lambda logit: 2 * logit + 1)
    assert out[0] == pytest.approx([2.0, -0.5, 5.0], abs=1e-9)
