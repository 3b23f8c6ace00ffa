"""The demo world: the model's figures beside the ceiling that the true hazard sets.

``python benchmarks/demo.py --root FOLDER --truth FOLDER`` reads the outputs of a
run (the repository's own after ``make repro``) and the truth beside the exports.
Nobody can rank better than by the true hazard at the instant of the question;
ranking by the hazard as it then really went needs the future.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

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
    blend = report["models"]["blend"]["pooled"]
    print(f"{blend['rows']} questions, {blend['conversions']} conversions")
    for name in ("auc", "average_precision", "precision", "lift"):
        print(f"{name}: {interval(blend[name])}")
    calibration = blend["calibration"]
    print(f"calibration slope: {interval(calibration['slope'])}")
    print(f"ECE: {calibration['ece']:.4f}; a calibrated model would stay below "
          f"{calibration['ece_if_calibrated']:.4f}")  # fmt: skip
    print(report["verdict"]["says"])
    predictions = pd.read_parquet(arguments.root / "data" / "predictions.parquet")
    rows = predictions[predictions["model"] == "blend"]
    ceilings(rows, pd.read_parquet(arguments.truth / "hazard.parquet"))


def interval(figure: dict[str, float]) -> str:
    """Write a figure with its interval."""
    if figure["value"] is None:
        return f"undefined: {figure['reason']}"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def ceilings(rows: pd.DataFrame, hazard: pd.DataFrame) -> None:
    """Rank the same questions by the truth."""
    now, later = [], []
    for as_of, asked in rows.groupby("as_of"):
        day = hazard[hazard["instant"] == as_of].set_index("prospect_id")["hazard"]
        end = as_of + pd.Timedelta(days=30)
        window = hazard[(hazard["instant"] >= as_of) & (hazard["instant"] < end)]
        total = window.groupby("prospect_id")["expected"].sum()
        now.append(asked["prospect_id"].map(day).fillna(0.0))
        later.append(asked["prospect_id"].map(total).fillna(0.0))
    converted = pd.concat([asked["converted"] for _, asked in rows.groupby("as_of")]).astype(bool)
    print(f"AUC by the true hazard at as_of: {roc_auc_score(converted, pd.concat(now)):.3f}; "
          f"by the hazard of the whole window: "
          f"{roc_auc_score(converted, pd.concat(later)):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
