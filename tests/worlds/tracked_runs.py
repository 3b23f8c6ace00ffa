"""The files of a pipeline run with a real model, and a real MLflow store for each test file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from microconv.tracking.run_log import log_run
from microconv.tracking.store import Store
from worlds.ranking import settings, trained, world


def figures(auc: float, **folds: float) -> dict[str, object]:
    """Make a model's figures in the shape of evaluation.json."""
    return {
        "pooled": {"rows": 900, "auc": {"value": auc, "low": auc - 0.1, "high": None}},
        "folds": {name: {"auc": {"value": value}} for name, value in folds.items()},
    }


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> dict[str, Path]:
    """Lay out what the other stages leave behind."""
    root = tmp_path_factory.mktemp("run")
    evaluation = {
        "candidate": "ensemble",
        "models": {
            "ensemble": figures(0.75, **{"2024-04-01": 0.5, "2024-05-01": 1.0}),
            "recency": figures(0.625),
        },
    }
    trees = {"num_leaves": 4, "learning_rate": 0.04}
    trial = {"settings": {"trees": trees}, "seconds": 1.5}
    trials = [
        {**trial, "number": 0, "running": [0.5, 0.4], "loss": 0.4, "pruned": False, "chosen": True},
        {**trial, "number": 1, "running": [0.75], "loss": None, "pruned": True, "chosen": False},
    ]
    texts = {
        "search": ("search.json", json.dumps({"trials": trials})),
        "summary": ("ingest.json", "{}"),
        "evaluation": ("evaluation.json", json.dumps(evaluation)),
        "manifest": ("prospects_manifest.json", "{}"),
        "model_page": ("model.html", "<p>How good it is</p>"),
    }
    found = {}
    for name, (file, text) in texts.items():
        found[name] = root / file
        found[name].write_text(text)
    for name in ("log", "plots"):
        found[name] = root / name
        found[name].mkdir()
    (found["plots"] / "gain.csv").write_text("share_of_rows,share_of_conversions\n0,0\n")
    (found["log"] / "log.json").write_text(json.dumps({"prospects": world().buckets}))
    found["model"] = root / "prospect_model"
    trained().save(found["model"])
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Open a store for a file's tests: what those of another record does not count here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return Store.find(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def entry(files, store):
    """Log the run to MLflow, once for the tests of a file."""
    return log_run(settings(), files, store=store)


@pytest.fixture
def client(store, entry):
    """Open the store after the entry was written."""
    with store.open() as opened:
        yield opened
