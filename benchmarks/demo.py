"""The demo world: the model's figures beside the ceiling that the true hazard sets.

``python benchmarks/demo.py --root FOLDER --truth FOLDER`` reads the outputs of a
run (the repository's own after ``make repro``) and the truth beside the exports.
Nobody can rank better than by the true hazard at the snapshot's time.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.metrics import roc_auc_score

HERE = Path(__file__).parents[1]


def main() -> None:
    """Print the figures and the ceilings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=HERE)
    parser.add_argument("--truth", type=Path, default=HERE / "data" / "demo" / "truth")
    arguments = parser.parse_args()
    report = json.loads((arguments.root / "reports" / "evaluation.json").read_text("utf-8"))
    blend = report["models"]["ensemble"]["pooled"]
    print(f"{blend['rows']} snapshots, {blend['conversions']} conversions")
    for name in ("auc", "average_precision", "precision", "lift"):
        print(f"{name}: {interval(blend[name])}")
    calibration = blend["calibration"]
    print(f"calibration slope: {interval(calibration['slope'])}")
    print(f"ECE: {calibration['ece']:.4f}; a calibrated model would stay below "
          f"{calibration['ece_chance_limit']:.4f}")  # fmt: skip
    print(report["verdict"]["summary"])
    for alarm in report["leakage_checks"]:
        print(f"{alarm['status']} {alarm['check']}")
    amount(report["amount"])
    predictions = pd.read_parquet(arguments.root / "data" / "predictions.parquet")
    rows = predictions[predictions["model"] == "ensemble"]
    ceiling(rows, pd.read_parquet(arguments.truth / "hazard.parquet"))


def amount(figures: dict[str, Any]) -> None:
    """Print how well amounts are predicted, compared with the mean."""
    if "reason" in figures:
        print(f"amount: {figures['reason']}")
        return
    print(f"amount, {figures['conversions']} conversions: gamma deviance "
          f"{figures['deviance']:.3f}, of the mean {figures['deviance_of_mean']:.3f}; "
          f"expected / actual {figures['expected_over_actual']:.2f}")  # fmt: skip


def interval(figure: dict[str, float]) -> str:
    """Write a figure with its interval."""
    if figure["value"] is None:
        return f"undefined: {figure['reason']}"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def ceiling(rows: pd.DataFrame, hazard: pd.DataFrame) -> None:
    """Rank the same snapshots by the true hazard at their time."""
    truth = hazard.rename(columns={"instant": "as_of"})[["prospect_id", "as_of", "hazard"]]
    both = rows.merge(truth, on=["prospect_id", "as_of"], how="left")
    auc = roc_auc_score(both["converted"].astype(bool), both["hazard"].fillna(0.0))
    print(f"AUC by the true hazard at as_of: {auc:.3f}")


if __name__ == "__main__":
    main()
