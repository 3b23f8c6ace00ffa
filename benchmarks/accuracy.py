"""Accuracy on public data: BPI Challenge 2012 by prefixes, attribution, X Education.

``python benchmarks/accuracy.py --out FILE`` chooses every setting on inner folds of
the training cases and writes what it chose. ``--open-test`` then fits on all training
cases and evaluates on the test cases; record each such run in `docs/benchmarks.md`.
Settings already in FILE are reused. ``--task`` selects the tasks. ``--ceiling TASK`` evaluates
every candidate on the test cases: an upper bound for any choice among these settings, not a
model's figure.
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
    every_ensemble,
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
    """Search settings, and evaluate on the test cases if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path)
    what.add_argument("--ceiling", choices=PREFIX_TASKS, metavar="TASK",
                      help="the best result of any settings on the test cases")  # fmt: skip
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
    """Choose settings where none are known yet; evaluate on the test cases if requested."""
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
    for name, predict_logits in logits.items():
        if "line" not in found[name]:
            found[name]["line"] = asdict(calibrate(cases, predict_logits))
    if open_test:
        split = split_rows(cases, *outer_split(cases))
        test_logits = {name: predict_logits(*split) for name, predict_logits in logits.items()}
        lines = {name: Calibration(**found[name]["line"]) for name in logits}
        found["test"] = evaluate(task, cases, test_logits, lines)
    return found


def ceiling(task: str, folder: Path) -> str:
    """Describe how many candidates reach the goal on the test cases, and the best of them."""
    target, cut = PREFIX_TASKS[task]
    cases = read_cases(folder, target, cut=cut)
    split = split_rows(cases, *outer_split(cases))
    ensembles = [choice for choice, _ in every_ensemble([split], our_matrix(cases))]
    aucs = np.array([choice.inner_auc for choice in ensembles])
    low, middle, high = np.quantile(aucs, [0.05, 0.5, 0.95])
    return (
        f"{(aucs >= GOALS[task]).sum()} of {len(aucs)} ensembles reach {GOALS[task]} on the test "
        f"cases; median {middle:.4f}, 90 % from {low:.4f} to {high:.4f}, the best "
        f"{aucs.max():.4f}: {ensembles[int(aucs.argmax())]}"
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


def ours(matrix: Matrix, choice: Choice, train: Rows, test: Rows) -> np.ndarray:
    """Fit our ensemble on some prefixes and return the logits of others."""
    exits = train.exits if choice.competing else None
    weights = train.weights() if choice.weighted else np.ones(len(train))
    training_rows = TrainingRows(matrix.of(train, choice.families), train.labels, weights, exits)
    test_columns = matrix.of(test, choice.families)
    mixed: np.ndarray = fit_both(training_rows, test_columns, choice.boosted, choice.linear).mixed(
        choice.weight
    )
    return mixed


def by_control(encoded: np.ndarray, control: Control, train: Rows, test: Rows) -> np.ndarray:
    """Fit a control on some prefixes and return the logits of others."""
    sure = np.finfo(np.float32).eps  # a forest may be certain
    logits: np.ndarray = logit(np.clip(predict(control, encoded, train, test), sure, 1 - sure))
    return logits


def evaluate(
    task: str, cases: Cases, test_logits: dict[str, np.ndarray], lines: dict[str, Calibration]
) -> dict[str, Any]:
    """Compare with each control on the test prefixes by paired bootstrap over cases.

    Brier scores are those of the raw probabilities, and of those calibrated by the line fitted
    on the inner folds; a line changes no AUC.
    """
    rows = split_rows(cases, *outer_split(cases))[1]
    tested = np.unique(rows.case)
    rng = np.random.default_rng(11)
    draws = [np.bincount(rng.choice(tested, len(tested)), minlength=len(cases))
             for _ in range(RESAMPLES)]  # fmt: skip
    samples = {
        name: np.array([weighted_auc(p, rows, drawn) for drawn in [None, *draws]])
        for name, p in test_logits.items()
    }
    found: dict[str, Any] = {
        name: {
            "weighted_auc": interval(sample),
            "brier": brier(sigmoid(test_logits[name]), rows),
            "brier_on_line": brier(sigmoid(lines[name](test_logits[name])), rows),
        }
        for name, sample in samples.items()
    }
    for name in CONTROLS:
        found[f"ours - {name}"] = interval(samples["ours"] - samples[name])
        found[f"brier_on_line, ours - {name}"] = interval(
            mean_errors(test_logits["ours"], lines["ours"], rows, draws)
            - mean_errors(test_logits[name], lines[name], rows, draws)
        )
    found["goal"], found["short_of_goal"] = GOALS[task], GOALS[task] - samples["ours"][0]
    return {"rows": len(rows), "cases": len(tested), **found}


def mean_errors(
    logits: np.ndarray, line: Calibration, rows: Rows, draws: list[np.ndarray]
) -> np.ndarray:
    """Return the Brier score of calibrated logits, for all cases and then for each resample."""
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
    """Return a choice as a JSON-compatible dictionary."""
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
