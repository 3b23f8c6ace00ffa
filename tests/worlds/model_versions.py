"""Versions of a model that differ in what their backtest said, and a store that holds them."""

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
from worlds.predictions import backtest_of, planted_answers
from worlds.ranking import settings, trained

EVALUATE = EvaluateSettings(list_size=50, bootstrap=200, seed=1)

ASKED = planted_answers(400, seed=8)
"""1,600 rows whose `chance` is their true probability."""


def in_groups(groups: int) -> np.ndarray:
    """Say what a model says that tells so many groups apart: calibrated, but coarse."""
    group = pd.qcut(ASKED["score"], groups, labels=False)
    return ASKED["converted"].groupby(group).transform("mean").to_numpy()


def overconfident() -> np.ndarray:
    """Rank as well as can be, with probabilities twice too extreme."""
    logit = np.log(ASKED["chance"] / (1 - ASKED["chance"]))
    return (1 / (1 + np.exp(-2 * logit))).to_numpy()


def predictions(probability: np.ndarray) -> pd.DataFrame:
    """Put what a model said beside what happened."""
    return ASKED.assign(probability=probability)


def model_saying(probability: np.ndarray, model: ProspectModel | None = None) -> ProspectModel:
    """Give a real model other out-of-time predictions to carry."""
    backtest = backtest_of(ASKED, {"ensemble": probability})
    table = backtest.predictions.select(OUT_OF_TIME.names).cast(OUT_OF_TIME)
    return replace(model or trained(), out_of_time=table)


def files_of(folder: Path, said: np.ndarray, *, failed_checks=(), model=None) -> dict[str, Path]:
    """Lay out what a pipeline run leaves behind, as far as the run log reads it."""
    folder.mkdir(parents=True)
    done = evaluate(backtest_of(ASKED, {"ensemble": said, "recency": in_groups(2)}), EVALUATE)
    done.report["leakage_checks"] += list(failed_checks)
    done.write(folder / "evaluation.json", folder / "plots")
    model_saying(said, model).save(folder / "prospect_model")
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
