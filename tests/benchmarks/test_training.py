"""The training benchmark: its world is as described, and its command runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_world import DATES, HORIZON_DAYS, make

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "training.py"


def test_the_conversion_rate_is_as_requested_and_follows_the_truth():
    """Of 40,000 rows 2 % convert, in the tenth with the highest truth as many as expected."""
    world = make(40_000, 12, rate=0.02, seed=3)
    converted = world.training_set.snapshots["converted"].to_numpy(bool)
    assert world.truth.mean() == pytest.approx(0.02, rel=0.001)
    top = world.truth >= np.quantile(world.truth, 0.9)
    for rows in (top, ~top):
        expected, error = world.truth[rows].sum(), np.sqrt(world.truth[rows].sum())
        assert abs(converted[rows].sum() - expected) < 3 * error
    assert converted[top].mean() > 3 * converted.mean()


def test_outcomes_are_known_in_their_window_and_every_window_has_closed():
    """Ten dates; a conversion comes within the horizon, and is known when it comes."""
    snapshots = make(1000, 12, rate=0.2, seed=1).training_set.snapshots
    won = snapshots[snapshots["converted"]]
    took = (won["known_at"] - won["as_of"]).dt.total_seconds() / 86_400
    assert np.allclose(took, won["days_to_conversion"])
    assert took.between(0, HORIZON_DAYS, inclusive="left").all()
    assert snapshots["as_of"].nunique() == DATES
    closed = snapshots["followed_until"] - snapshots["as_of"]
    assert (closed.dt.days >= HORIZON_DAYS).all()


@pytest.mark.slow
def test_the_command_prints_seconds_and_peaks(tmp_path):
    """Each round in a process of its own; the figures are written, too."""
    sizes = ["--rows", "6000", "--columns", "12", "--threads", "1"]
    rest = ["--json", str(tmp_path / "figures.json"), "--rounds", "final fits", "fit_ensemble"]
    command = [sys.executable, str(BENCHMARK), *sizes, *rest]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "fit_ensemble / final fits: " in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert set(figures) == {"final fits", "fit_ensemble"}
    assert all(figure["seconds"] > 0 and figure["cpu_seconds"] > 0 for figure in figures.values())
    assert all(0.05 < figure["peak_gb"] < 4 for figure in figures.values())
