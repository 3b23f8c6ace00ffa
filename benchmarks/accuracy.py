"""Accuracy on public data: BPI Challenge 2012 by prefixes, attribution, X Education.

``python benchmarks/accuracy.py --out FILE`` chooses every setting on inner folds of
the training cases and writes what it chose. ``--open-test`` then fits on all training
cases and judges on the test cases; each such run belongs into `docs/benchmarks.md`.
With choices already in FILE, it takes those. ``--task`` names the tasks to run. ``--ceiling TASK``
tells what choosing by the test cases themselves would give: no model's figure, but a bound on what
better choosing among these settings could.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_attribution import conversions_by_channel, predict_conversions
from accuracy_leads import cross_validate
from prefix_controls import Control, encode, predict
from prefix_features import fill_families, load_cases, read_journey
from prefix_protocol import Cases, Rows, outer_split, read_cases, split_rows, weighted_auc
from prefix_search import (
    CONTROLS,
    Choice,
    Matrix,
    calibrate,
    choose_control,
    choose_ours,
    every_blend,
)
from scipy.special import logit
from two_models import TrainingRows, fit_both

from microconv.model.calibration import Calibration
from microconv.model.logistic import sigmoid
from microconv.settings import RegressionSettings, TreeSettings

PREFIX_TASKS = {
    "accepted": ("accepted", False),
    "declined": ("declined", False),
    "cancelled": ("cancelled", False),
    "accepted_cut": ("accepted", True),
}
GOALS = {"accepted": 0.71, "declined": 0.64, "cancelled": 0.72, "accepted_cut": 0.665}
TABLES = ("attribution", "x_education")
FOREST_TREES = 200
RESAMPLES = 2000

Logits = Callable[[Rows, Rows], np.ndarray]


def main() -> None:
    """Search, and open the test if told to."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path)
    what.add_argument("--ceiling", choices=PREFIX_TASKS, metavar="TASK",
                      help="the best that any settings reach on the test cases")  # fmt: skip
    parser.add_argument("--open-test", action="store_true")
    parser.add_argument("--task", nargs="+", choices=[*PREFIX_TASKS, *TABLES], default=None)
    arguments = parser.parse_args()
    folder = Path(os.environ["MICROCONV_REAL_DATA"])
    if arguments.ceiling:
        print(ceiling(arguments.ceiling, folder / "bpi2012"))
        return
    found = json.loads(arguments.out.read_text("utf-8")) if arguments.out.exists() else {}
    for task in arguments.task or [*PREFIX_TASKS, *TABLES]:
        began = time.perf_counter()
        if task in PREFIX_TASKS:
            found[task] = run_prefixes(task, folder / "bpi2012", found.get(task, {}),
                                       open_test=arguments.open_test)  # fmt: skip
        else:
            found[task] = run_table(task, folder / task)
        arguments.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(f"{task}: {time.perf_counter() - began:.0f} s")
        print(json.dumps(found[task], indent=1))


def run_table(task: str, folder: Path) -> dict[str, Any]:
    """Measure one of the data sets without a test part of its own."""
    if task == "x_education":
        return cross_validate(folder, resamples=RESAMPLES)
    channels = conversions_by_channel(folder)
    return {
        "channels": channels.reset_index().to_dict("records"),
        "p_value_all_channels_alike": channels.attrs["p_value"],
        "prediction": predict_conversions(folder, resamples=RESAMPLES),
    }


def run_prefixes(
    task: str, folder: Path, known: dict[str, Any], *, open_test: bool
) -> dict[str, Any]:
    """Choose settings where none are known yet; judge them on the test cases if told to."""
    target, cut = PREFIX_TASKS[task]
    cases = read_cases(folder, target, cut=cut)
    encoded, matrix = encode(cases), our_matrix(cases)
    found = dict(known)
    if "ours" not in found:
        found["ours"] = asdict_of(choose_ours(cases, matrix))
    for name, candidates in CONTROLS.items():
        if name not in found:
            control, inner = choose_control(cases, encoded, candidates)
            found[name] = {**asdict(control), "inner_auc": inner}
    logits: dict[str, Logits] = {"ours": partial(ours, matrix, choice_of(found["ours"]))} | {
        name: partial(by_control, encoded, control_of(found[name])) for name in CONTROLS
    }
    for name, say in logits.items():
        if "line" not in found[name]:
            found[name]["line"] = asdict(calibrate(cases, say))
    if open_test:
        split = split_rows(cases, *outer_split(cases))
        said = {name: say(*split) for name, say in logits.items()}
        lines = {name: Calibration(**found[name]["line"]) for name in logits}
        found["test"] = judge(task, cases, said, lines)
    return found


def ceiling(task: str, folder: Path) -> str:
    """Say how many of all blends reach the goal on the test cases, and the best of them."""
    target, cut = PREFIX_TASKS[task]
    cases = read_cases(folder, target, cut=cut)
    split = split_rows(cases, *outer_split(cases))
    blends = [choice for choice, _ in every_blend([split], our_matrix(cases))]
    aucs = np.array([choice.inner_auc for choice in blends])
    low, middle, high = np.quantile(aucs, [0.05, 0.5, 0.95])
    return (
        f"{(aucs >= GOALS[task]).sum()} of {len(aucs)} blends reach {GOALS[task]} on the test "
        f"cases; median {middle:.4f}, nine of ten from {low:.4f} to {high:.4f}, the best "
        f"{aucs.max():.4f}: {blends[int(aucs.argmax())]}"
    )


def our_matrix(cases: Cases) -> Matrix:
    """Fill our columns for the prefix that ends at each event."""
    journey = read_journey()
    histories = load_cases(cases, journey)
    case = cases.events["case"].to_numpy()
    end = np.arange(len(case)) + 1
    length = end - cases.offsets[case]
    rows = Rows(case, length, end, cases.labels[case], cases.exits[case])
    return Matrix(*fill_families(histories, rows, journey))


def ours(matrix: Matrix, choice: Choice, learn: Rows, ask: Rows) -> np.ndarray:
    """Fit our blend on some prefixes and return the logits of others."""
    exits = learn.exits if choice.competing else None
    weights = learn.weights() if choice.weighted else np.ones(len(learn))
    training_rows = TrainingRows(matrix.of(learn, choice.families), learn.labels, weights, exits)
    test_columns = matrix.of(ask, choice.families)
    mixed: np.ndarray = fit_both(training_rows, test_columns, choice.boosted, choice.linear).mixed(
        choice.weight
    )
    return mixed


def by_control(encoded: np.ndarray, control: Control, learn: Rows, ask: Rows) -> np.ndarray:
    """Fit a control on some prefixes and return the logits of others."""
    sure = np.finfo(np.float32).eps  # a forest may be certain
    logits: np.ndarray = logit(np.clip(predict(control, encoded, learn, ask), sure, 1 - sure))
    return logits


def judge(
    task: str, cases: Cases, said: dict[str, np.ndarray], lines: dict[str, Calibration]
) -> dict[str, Any]:
    """Compare with each control on the test prefixes, cases drawn in pairs.

    The Brier scores are of the probabilities as they are, and of those on the line that
    the inner folds gave; a line moves no AUC.
    """
    rows = split_rows(cases, *outer_split(cases))[1]
    tested = np.unique(rows.case)
    rng = np.random.default_rng(11)
    draws = [np.bincount(rng.choice(tested, len(tested)), minlength=len(cases))
             for _ in range(RESAMPLES)]  # fmt: skip
    samples = {
        name: np.array([weighted_auc(p, rows, drawn) for drawn in [None, *draws]])
        for name, p in said.items()
    }
    found: dict[str, Any] = {
        name: {
            "weighted_auc": interval(sample),
            "brier": brier(sigmoid(said[name]), rows),
            "brier_on_line": brier(sigmoid(lines[name](said[name])), rows),
        }
        for name, sample in samples.items()
    }
    for name in CONTROLS:
        found[f"ours - {name}"] = interval(samples["ours"] - samples[name])
        found[f"brier_on_line, ours - {name}"] = interval(
            mean_errors(said["ours"], lines["ours"], rows, draws)
            - mean_errors(said[name], lines[name], rows, draws)
        )
    found["goal"], found["short_of_goal"] = GOALS[task], GOALS[task] - samples["ours"][0]
    return {"rows": len(rows), "cases": len(tested), **found}


def mean_errors(
    logits: np.ndarray, line: Calibration, rows: Rows, draws: list[np.ndarray]
) -> np.ndarray:
    """Return the Brier score on the line, of all cases and then of each draw of them."""
    errors = (sigmoid(line(logits)) - rows.labels) ** 2
    n_cases = len(draws[0])
    total, count = np.bincount(rows.case, errors, n_cases), np.bincount(rows.case, None, n_cases)
    counts = np.stack([np.ones(n_cases), *draws])
    scores: np.ndarray = (counts @ total) / (counts @ count)
    return scores


def brier(probability: np.ndarray, rows: Rows) -> float:
    """Return the mean squared error of the probabilities."""
    return float(np.mean((probability - rows.labels) ** 2))


def interval(sample: np.ndarray) -> dict[str, float]:
    """Return the figure and its 95 % bootstrap interval."""
    low, high = np.quantile(sample[1:], [0.025, 0.975])
    return {"value": float(sample[0]), "low": float(low), "high": float(high)}


def asdict_of(choice: Choice) -> dict[str, Any]:
    """Write a choice as JSON can hold it."""
    return {
        "families": choice.families,
        "boosted": choice.boosted.model_dump(),
        "competing": choice.competing,
        "linear": choice.linear.model_dump(),
        "weight": choice.weight,
        "weighted": choice.weighted,
        "inner_auc": choice.inner_auc,
    }


def choice_of(content: dict[str, Any]) -> Choice:
    """Read what :func:`asdict_of` wrote."""
    return Choice(
        content["families"],
        TreeSettings.model_validate(content["boosted"]),
        content["competing"],
        RegressionSettings.model_validate(content["linear"]),
        content["weight"],
        content["weighted"],
        content["inner_auc"],
    )


def control_of(content: dict[str, Any]) -> Control:
    """Read a control's choice; the forest gets more trees than in the search."""
    settings = dict(content["settings"])
    if content["kind"] == "forest":
        settings["n_estimators"] = FOREST_TREES
    return Control(content["kind"], settings, content["weighted"])


if __name__ == "__main__":
    main()
