"""BPI Challenge 2012: the example's ensemble compared with an independent control on the same rows.

``python benchmarks/bpi2012.py`` runs ``microconv run`` on the example into a
temporary folder (or takes the outputs of an earlier run: ``--root FOLDER``),
rebuilds the rows and the control with pandas alone, and prints both figures and
the paired bootstrap interval, by application, of their difference.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import calibration
import pandas as pd
import pyarrow.parquet as pq
from bpi2012_control import TEST, TRAIN, build_rows, predict_control, read_events

from microconv.evaluation.paired_comparison import compare

EXAMPLE = Path(__file__).parents[1] / "examples" / "bpi2012" / "params.yaml"
GOAL = 0.785


def main() -> None:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--resamples", type=int, default=2000)
    arguments = parser.parse_args()
    folder = Path(os.environ["MICROCONV_REAL_DATA"]) / "bpi2012"
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.root or run_example(Path(scratch), folder)
        report(root, folder, resamples=arguments.resamples)


def run_example(root: Path, folder: Path) -> Path:
    """Run the example and print how long it took."""
    began = time.perf_counter()
    program = "from microconv.cli import main; main()"
    command = [sys.executable, "-c", program, "run", "--params", str(EXAMPLE)]
    subprocess.run([*command, "--input", str(folder), "--root", str(root)], check=True)
    print(f"microconv run: {time.perf_counter() - began:.0f} s")
    return root


def report(root: Path, folder: Path, *, resamples: int) -> None:
    """Print the rows, the figures and the difference."""
    buckets = sorted((root / "data" / "snapshots").glob("*.parquet"))
    snapshots = pd.concat([pq.read_table(bucket).to_pandas() for bucket in buckets])
    events = read_events(folder)
    train, test = build_rows(events, TRAIN), build_rows(events, TEST)
    for name, rows, mondays in (("train", train, TRAIN), ("test", test, TEST)):
        compared = snapshots[snapshots["as_of"].isin(mondays)]
        same = compared.merge(rows[["prospect_id", "as_of", "converted"]], how="inner")
        print(f"{name}: {len(rows)} rows rebuilt with pandas, {len(compared)} in the example, "
              f"{len(same)} the same with the same label")  # fmt: skip
    control = test[["prospect_id", "as_of", "converted"]].assign(
        probability=predict_control(train, test, seed=7)
    )
    predictions = pd.read_parquet(root / "data" / "predictions.parquet")
    for model in ("ensemble", "trees", "hazard", "regression"):
        ours = predictions[predictions["model"] == model]
        found = compare(ours, control, resamples=resamples, seed=11)
        for metric in ("auc", "average_precision", "log_loss", "brier"):
            ours_, theirs, gap = (found[metric][k] for k in ("one", "other", "difference"))
            print(
                f"{model:8} {metric:18} {ours_['value']:.4f}  control {theirs['value']:.4f}  "
                f"difference {gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"
            )
        if model == "ensemble":
            auc = found["auc"]["one"]["value"]
            print(f"goal: AUC >= {GOAL}: {'reached' if auc >= GOAL else 'missed'} ({auc:.4f})")
    calibration.report(root)


if __name__ == "__main__":
    main()
