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
