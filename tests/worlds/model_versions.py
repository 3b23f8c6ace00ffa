"""Versions of a model with different out-of-time predictions, and a store of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from microconv.evaluation.evaluate import evaluate
from microconv.model.prospect_model import OUT_OF_TIME, ProspectModel
from microconv.settings import EvaluateSettings
from microconv.tracking.served import write_artefact
from microconv.tracking.store import Store
from worlds.predictions import backtest_of, planted_snapshots
from worlds.ranking import settings, trained

EVALUATE = EvaluateSettings(list_size=50, bootstrap=200, seed=1)

SNAPSHOTS = planted_snapshots(400, seed=8)
"""1,600 rows whose `chance` is their true probability."""


def in_groups(groups: int) -> np.ndarray:
    """Predict the conversion rate of each of this many groups: calibrated, but coarse."""
    group = pd.qcut(SNAPSHOTS["score"], groups, labels=False)
    return SNAPSHOTS["converted"].groupby(group).transform("mean").to_numpy()


def overconfident() -> np.ndarray:
    """Rank as well as can be, with probabilities twice too extreme."""
    logit = np.log(SNAPSHOTS["chance"] / (1 - SNAPSHOTS["chance"]))
    return (1 / (1 + np.exp(-2 * logit))).to_numpy()


def predictions(probability: np.ndarray) -> pd.DataFrame:
    """Return the snapshots with these predictions."""
    return SNAPSHOTS.assign(probability=probability)


def model_predicting(probability: np.ndarray, model: ProspectModel | None = None) -> ProspectModel:
    """Return a real model with other out-of-time predictions."""
    backtest = backtest_of(SNAPSHOTS, {"ensemble": probability})
    table = backtest.predictions.select(OUT_OF_TIME.names).cast(OUT_OF_TIME)
    return replace(model or trained(), out_of_time=table)


def files_of(
    folder: Path, probability: np.ndarray, *, failed_checks=(), model=None
) -> dict[str, Path]:
    """Write what a pipeline run leaves behind, as far as the run log reads it."""
    folder.mkdir(parents=True)
    done = evaluate(
        backtest_of(SNAPSHOTS, {"ensemble": probability, "recency": in_groups(2)}), EVALUATE
    )
    done.report["leakage_checks"] += list(failed_checks)
    done.write(folder / "evaluation.json", folder / "plots")
    model_predicting(probability, model).save(folder / "prospect_model")
    for name in ("ingest.json", "prospects_manifest.json", "model.html"):
        (folder / name).write_text("{}")
    (folder / "search.json").write_text('{"trials": []}')
    (folder / "log").mkdir()
    (folder / "log/log.json").write_text("{}")
    names = {
        "summary": "ingest.json",
        "search": "search.json",
        "evaluation": "evaluation.json",
        "plots": "plots",
        "manifest": "prospects_manifest.json",
        "model_page": "model.html",
        "log": "log",
        "model": "prospect_model",
    }
    return {name: folder / file for name, file in names.items()}


def register(store: Store, files: dict[str, Path]) -> str:
    """Register a model with the evaluation of its run, and nothing else: it is quicker."""
    import mlflow

    with store.open() as client:
        artefact = files["model"].with_name("scoring")
        write_artefact(artefact, files["model"], settings().score)
        with mlflow.start_run(experiment_id=store.experiment(client, "test")):
            mlflow.log_artifact(str(files["evaluation"]))
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module="microconv.tracking.served",
                data_path=str(artefact),
                pip_requirements=[],
                registered_model_name="test",
            )
        return str(logged.registered_model_version)


def write_params(path: Path) -> Path:
    """Write the settings of the small world as a params.yaml."""
    given = settings().model_dump(mode="json", exclude={"simulate"})
    given["evaluate"] = EVALUATE.model_dump(mode="json")
    path.write_text(yaml.safe_dump(given, sort_keys=False))
    return path
