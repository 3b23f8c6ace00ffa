"""Calibration of a run, overall and by segment, from its own evaluation.

``python benchmarks/calibration.py --root FOLDER`` prints, for a folder that ``microconv run``
filled (or ``.`` after ``make repro``), the figures of the out-of-time predictions and whether
they are as they should be: a slope whose interval contains 1, and an ECE below the 95 %
quantile of a model that is calibrated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    report(parser.parse_args().root)


def report(root: Path) -> None:
    """Print one line on the whole, and one per segment."""
    evaluation = json.loads((root / "reports" / "evaluation.json").read_text())
    pooled = evaluation["models"][evaluation["candidate"]]["pooled"]
    print(f"calibration, all {pooled['rows']:,} rows: predicted {pooled['mean_probability']:.4f}, "
          f"realised {pooled['base_rate']:.4f}; {line(pooled['calibration'])}")  # fmt: skip
    kept = keeps(pooled["calibration"])
    print(f"slope's interval contains 1: {kept[0]}; ECE below its 95 % quantile: {kept[1]}")
    for entry in evaluation["segments"]:
        about = (
            f"{entry['by']} {entry['segment']}: {entry['rows']:,} rows, {entry['conversions']} "
            f"conversions, predicted {entry['predicted_rate']:.4f}, "
            f"observed {entry['observed_rate']:.4f}"
        )
        verdict = entry.get("reason") or (
            f"{line(entry['calibration'])}; "
            f"{'MISCALIBRATED' if entry['miscalibrated'] else 'within chance'}, "
            f"p {entry['p_value']:.2g}"
        )
        print(f"{about}; {verdict}")


def line(calibration: Mapping[str, Any]) -> str:
    """Format slope and ECE with their reference values."""
    slope = calibration["slope"]
    return (
        f"slope {slope['value']:.2f} [{slope['low']:.2f}, {slope['high']:.2f}], ECE "
        f"{calibration['ece']:.4f} (calibrated: below {calibration['ece_chance_limit']:.4f})"
    )


def keeps(calibration: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether the slope's interval contains 1, and the ECE is within chance."""
    slope = calibration["slope"]
    within = calibration["ece"] < calibration["ece_chance_limit"]
    return slope["low"] <= 1 <= slope["high"], within


if __name__ == "__main__":
    main()
