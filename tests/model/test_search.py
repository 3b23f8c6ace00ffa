"""The search for settings: what it may look at, and when its answer counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from microconv.histories.folds import Fold
from microconv.model import search as search_module
from microconv.model.search import search
from microconv.model.search_result import replace_parameters
from microconv.model.training_rows import TrainingConfig
from microconv.settings import RegressionSettings, SearchSettings, TreeSettings
from worlds.training_sets import MODEL, mondays, planted_set

UNTIL = mondays(20)[14]
FOLDS = (Fold(mondays(20)[:4], mondays(20)[8:9]), Fold(mondays(20)[:5], mondays(20)[9:10]))
"""Their windows close 30 days on: by the fifteenth Monday."""

SMALL = TreeSettings(num_iterations=20, num_leaves=4, min_data_in_leaf=20)
HOPELESS = TreeSettings(num_iterations=1, learning_rate=0.001)


def config(trials: int, *, seed: int = 1, trees: TreeSettings = SMALL) -> TrainingConfig:
    """Ask for so many trials."""
    update = {
        "trees": trees,
        "hazard": trees,
        "regression": RegressionSettings(inverse_penalty=0.01 if trees is SMALL else 1e-9),
        "search": SearchSettings(trials=trials, seed=seed),
    }
    return TrainingConfig(MODEL.model_copy(update=update), timedelta(days=30), threads=1)


def run_search(training_set, given: TrainingConfig, advance=lambda: None):
    """Search."""
    return search(training_set, FOLDS, given, until=UNTIL, advance=advance)


def answer(done):
    """Leave out how long it took."""
    return [replace(trial, seconds=0.0) for trial in done.trials]


def test_nothing_from_the_backtests_time_reaches_the_search():
    """Settings chosen with a view of the test would flatter every figure of the backtest."""
    plain = planted_set(dates=20)
    snapshots = plain.snapshots.copy()
    later = (snapshots["as_of"] >= pd.Timestamp(UNTIL)).to_numpy()
    unknown = later | (snapshots["known_at"] >= pd.Timestamp(UNTIL)).to_numpy()
    assert (later & snapshots["converted"]).any()
    snapshots.loc[unknown, "converted"] ^= True
    snapshots.loc[unknown, "known_at"] = pd.Timestamp(UNTIL) + pd.Timedelta(days=1)
    values = plain.values.copy()
    values[:, later] = np.float32(1e6)
    other = replace(plain, snapshots=snapshots, values=values)
    one, two = (run_search(s, config(3)) for s in (plain, other))
    assert answer(one) == answer(two)


def test_the_same_seed_is_the_same_answer_and_another_seed_another():
    """A run that is repeated must find the same model."""
    plain = planted_set(dates=20)
    one, two, other = (run_search(plain, config(2, seed=seed)) for seed in (1, 1, 2))
    assert answer(one) == answer(two)
    assert answer(one)[1:] != answer(other)[1:]


def test_settings_that_learn_nothing_are_replaced_by_better_ones():
    """Pricing visits decide here, and a single tiny tree cannot express it."""
    done = run_search(planted_set(dates=20), config(4, trees=HOPELESS))
    chosen = [trial for trial in done.trials if trial.chosen]
    assert [trial.number for trial in chosen] != [0]
    assert chosen[0].loss < done.trials[0].loss - 0.05
    assert done.settings == chosen[0].settings
    assert "replaces the settings" in done.summary


def test_where_nothing_predicts_the_given_settings_stay():
    """The best of many trials is a little better by chance, and that is not enough."""
    done = run_search(planted_set(dates=20, signal=0.0), config(4))
    assert done.trials[0].chosen
    assert done.settings is None


def test_every_trial_is_counted_and_proposes_what_the_settings_allow():
    """The bar ends where it should, and a trial can be written into params.yaml."""
    counted = []
    done = run_search(planted_set(dates=20), config(3), lambda: counted.append(1))
    assert len(counted) == 3
    assert [trial.number for trial in done.trials] == [0, 1, 2, 3]
    for trial in done.trials[1:]:
        tried = replace_parameters(MODEL, trial.settings)
        assert 3 <= tried.trees.num_leaves <= 31
        assert tried.trees == tried.hazard


def test_hopeless_trials_are_given_up_before_the_last_fold():
    """Half of the time of a search would go into them."""
    done = run_search(planted_set(dates=20), config(12))
    pruned = [trial for trial in done.trials if trial.pruned]
    assert pruned
    finished = np.median([trial.running[0] for trial in done.trials[1:] if not trial.pruned])
    assert all(len(trial.running) == 1 and trial.running[0] > finished for trial in pruned)


def test_too_few_conversions_are_no_search_and_it_says_so():
    """Settings chosen on ten conversions are chosen by chance."""
    done = run_search(planted_set(prospects=12, dates=20), config(3))
    assert done.trials == ()
    assert done.settings is None
    assert "no search" in done.summary


class DeeperTreeSettings(TreeSettings):
    """Trees with a parameter that no search varies."""

    max_depth: int = -1


def test_a_parameter_that_is_not_searched_stays_as_in_the_settings(monkeypatch):
    """A parameter added to the settings must not be reset by a search that does not know it."""
    used = []
    fit = search_module.fit_base_models

    def recorded(snapshots, columns, train, config, *rest):
        used.append((config.model.trees.max_depth, config.model.hazard.max_depth))
        return fit(snapshots, columns, train, config, *rest)

    monkeypatch.setattr(search_module, "fit_base_models", recorded)
    trees = DeeperTreeSettings(**HOPELESS.model_dump(), max_depth=3)
    given = config(4, trees=trees)
    done = run_search(planted_set(dates=20), given)
    assert set(used) == {(3, 3)}
    assert done.settings is not None
    found = replace_parameters(given.model, done.settings)
    assert found.trees.max_depth == 3
    assert found.trees.num_iterations != trees.num_iterations


KILLED = """
import os, signal, sys
from test_search import run_search, planted_set, config
left = [2]
def advance():
    left[0] -= 1
    if left[0] == 0 and sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
run_search(planted_set(dates=20), config(3), advance).write(sys.argv[1])
"""


@pytest.mark.slow
def test_a_search_that_was_killed_leaves_nothing_and_finds_the_same_again(tmp_path):
    """No half-written file, and no half-done study that the next run goes on from."""
    from microconv.model.search_result import SearchResult

    here = Path(__file__).parent
    path = f"{here}{os.pathsep}{here.parent}"
    codes = [
        subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path / "search.json"), how],
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        ).returncode
        for how in ("killed", "whole")
    ]
    assert codes == [-signal.SIGKILL, 0]
    assert [file.name for file in tmp_path.iterdir()] == ["search.json"]
    again = run_search(planted_set(dates=20), config(3))
    assert answer(SearchResult.read(tmp_path / "search.json")) == answer(again)
