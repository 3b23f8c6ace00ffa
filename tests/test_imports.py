"""Start-up: what the package and its command load before they are asked for anything."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "altair", "duckdb", "ibis", "lightgbm", "mlflow", "numba", "numpy", "pandas", "pyarrow",
    "pydantic", "rich", "scipy", "sklearn", "yaml",
}  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    """List the top-level modules that a statement loads in a fresh interpreter."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize("module", ["microconv", "microconv.cli", "microconv.errors"])
def test_the_package_imports_nothing_heavy(module):
    """`microconv --help` answers at once; a library of four seconds waits until it is needed."""
    assert not HEAVY & loaded_by(f"import {module}")


@pytest.mark.parametrize("module", ["microconv.settings", "microconv.journey"])
def test_settings_and_journey_import_no_engine(module):
    """Checking a params.yaml needs no dataframe, no database and no model library."""
    assert not (HEAVY - {"pydantic", "yaml", "numpy"}) & loaded_by(f"import {module}")


NOT_USED = {
    "ingest": {"pandas", "sklearn", "lightgbm", "mlflow", "altair", "statsmodels"},
    "snapshot": {"pandas", "sklearn", "lightgbm", "mlflow", "altair", "duckdb", "ibis"},
    "featurize": {"pandas", "sklearn", "lightgbm", "mlflow", "altair", "duckdb", "ibis"},
    "search": {"pyarrow", "pandas", "numba", "sklearn", "lightgbm", "mlflow", "optuna"},
    "backtest": {"mlflow", "altair", "duckdb", "ibis", "statsmodels"},
    "evaluate": {"lightgbm", "mlflow", "altair", "duckdb", "ibis", "statsmodels"},
    "train": {"mlflow", "altair", "duckdb", "ibis", "statsmodels"},
    "measure": {"lightgbm", "mlflow", "altair", "duckdb", "ibis"},
    "score": {"mlflow", "altair", "duckdb", "ibis", "statsmodels"},
    "report": {"numba", "scipy", "sklearn", "lightgbm", "mlflow", "duckdb", "ibis"},
    "track": {"numba", "sklearn", "lightgbm", "altair", "duckdb", "ibis"},
}
"""What a stage has no use for, and must not wait for before it begins."""


@pytest.mark.parametrize("stage", NOT_USED)
def test_a_stage_imports_no_library_that_it_does_not_use(stage):
    """Each stage is a program of its own: what its modules import it pays for at every run."""
    assert not NOT_USED[stage] & loaded_by(f"import microconv.stages.{stage}")


def test_every_stage_is_listed():
    """A stage that is added says what it does without."""
    from microconv.stages.pipeline import STAGES

    assert list(NOT_USED) == [stage.name for stage in STAGES]
