"""Twenty to five hundred conversions: the informative-prior fallback and the ensemble.

``python benchmarks/small_data.py`` prints, for worlds in which the journey is right, wrong, or
nothing predicts, the out-of-time figures over ``--seeds 6`` as they stand in decision 13.
"""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from microconv.model.fit import fit_ensemble
from microconv.model.training_rows import TrainingConfig
from microconv.settings import ModelSettings, ReadinessSettings
from worlds.few_conversions import (
    JOURNEY_IS_RIGHT,
    JOURNEY_IS_WRONG,
    NOTHING_PREDICTS,
    TEST_DATE,
    few_conversions,
)

WORLDS = {"right": JOURNEY_IS_RIGHT, "wrong": JOURNEY_IS_WRONG, "nothing": NOTHING_PREDICTS}
ALWAYS, NEVER = 10**6, 1


def main() -> None:
    """Print one line per world and number of conversions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    seeds = range(parser.parse_args().seeds)
    print("journey | conversions | log loss: base rate, fallback, ensemble | AUC: fallback, "
          "ensemble | top tenth, fallback: predicted, realised | "
          "worse than base rate, ensemble")  # fmt: skip
    for world in WORLDS:
        for conversions in (20, 60, 120, 500):
            rows = np.array([figures(world, conversions, seed) for seed in seeds])
            base, fallback, ensemble, auc, auc_ensemble, predicted, realised = rows.mean(axis=0)
            worse = [int((rows[:, 1] > rows[:, other]).sum()) for other in (0, 2)]
            print(f"{world} | {conversions} | {base:.4f}, {fallback:.4f}, {ensemble:.4f} | "
                  f"{auc:.3f}, {auc_ensemble:.3f} | {predicted:.3f}, {realised:.3f} | "
                  f"{worse[0]}, {worse[1]} of {len(rows)}")  # fmt: skip


def figures(world: str, conversions: int, seed: int) -> tuple[float, ...]:
    """Fit both models on the same rows, and evaluate them on the same later ones."""
    training_set, train = few_conversions(conversions, seed=seed, truth=WORLDS[world])
    happened = training_set.snapshots["converted"].to_numpy()
    predictions = []
    for minimum in (ALWAYS, NEVER):
        model = ModelSettings(seed=3, ready=ReadinessSettings(conversions=minimum))
        config = TrainingConfig(model, timedelta(days=30))
        fitted = fit_ensemble(training_set, train, config, known_before=TEST_DATE)
        predictions.append(fitted.ensemble.predict(fitted.columns.values[:, ~train]))
    later, fallback = happened[~train], predictions[0]
    base = np.full(len(later), happened[train].mean())
    top = np.argsort(-fallback, kind="stable")[: len(fallback) // 10]
    return (
        *(log_loss(later, p) for p in (base, *predictions)),
        *(roc_auc_score(later, p) for p in predictions),
        fallback[top].mean(),
        later[top].mean(),
    )


if __name__ == "__main__":
    main()
