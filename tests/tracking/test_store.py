"""The store: found without asking twice, opened without telling anybody."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from microconv.errors import TrackingError
from microconv.tracking.store import QUIET, Store


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


def test_a_named_store_wins(monkeypatch, tmp_path):
    """A team's server is set once, in the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    assert Store.find(tmp_path) == Store("https://mlflow.example.com", None)


def test_by_default_the_database_is_at_the_root_of_the_repository(monkeypatch, tmp_path):
    """An experiment that DVC runs in a temporary copy must write into the repository's database."""
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    assert Store.find().uri == f"sqlite:///{tmp_path}/copy/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert Store.find().uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert Store.find().artifacts == (tmp_path / "mlartifacts").as_uri()


def test_a_root_that_is_given_wins_over_dvc(monkeypatch, tmp_path):
    """`microconv run --root` keeps everything below its root."""
    monkeypatch.setenv("DVC_ROOT", "/elsewhere")
    assert Store.find(tmp_path).uri == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.slow
def test_telemetry_is_off_before_mlflow_is_imported():
    """MLflow reads the switches when it is imported, so a switch set later is none."""
    code = (
        "import sys; from microconv.tracking import store; import os\n"
        "assert 'mlflow' not in sys.modules\n"
        "with store.Store('sqlite://', None).open():\n"
        "    from mlflow.telemetry import get_telemetry_client\n"
        "    from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "    assert is_telemetry_disabled() and get_telemetry_client() is None\n"
    )
    clean = {name: value for name, value in os.environ.items() if name not in {*QUIET, "CI"}}
    subprocess.run([sys.executable, "-c", code], check=True, env=clean, timeout=120)


def test_an_error_of_the_store_names_it_and_the_reason(tmp_path):
    """A wrong address is the commonest mistake, and MLflow's own words are long."""
    (tmp_path / "mlflow.db").write_text("this is no database")
    with pytest.raises(TrackingError) as refusal, Store.find(tmp_path).open():
        pass
    assert f"sqlite:///{tmp_path}/mlflow.db" in str(refusal.value)
    assert "MLFLOW_TRACKING_URI" in str(refusal.value)
    assert "\n" not in str(refusal.value)
