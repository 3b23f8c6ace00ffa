"""The registry: addresses of models, and what they lead to."""

from __future__ import annotations

import pytest

from microconv.errors import TrackingError
from microconv.model.prospect_model import ProspectModel
from microconv.tracking.fetch_model import fetched
from microconv.tracking.store import Store
from worlds.ranking import trained


@pytest.mark.parametrize("address", ["models:/test@challenger", "models:/test/1"])
def test_a_registered_model_is_the_one_that_was_trained(address, store, entry):
    """A fetched model gives identical scores: its digest covers every file."""
    with fetched(address, store) as model:
        assert ProspectModel.load(model.folder).digest == trained().digest
        assert model.version == "test/1"
        assert not model.promoted
    assert not model.folder.exists()


def test_fetching_a_model_creates_no_database(tmp_path, monkeypatch):
    """Whoever stands in the wrong folder would find an empty database there ever after."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    with (
        pytest.raises(TrackingError, match=r"no MLflow database at .*mlflow\.db"),
        fetched("models:/test@challenger", Store.find()),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_champion_is_known_by_its_alias(client, store):
    """Only a list made by the champion is for calling."""
    client.set_registered_model_alias("test", "champion", "1")
    with fetched("models:/test@champion", store) as model:
        assert model.promoted


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("models:/test", "Write it like `models:/major-conversion@challenger`"),
        ("models:/test@nobody", "nobody"),
        ("models:/other/1", "other"),
    ],
)
def test_an_invalid_or_unknown_address_is_an_error(address, reason, store, entry):
    """A mistyped alias must not end in a traceback of thirty lines."""
    with pytest.raises(TrackingError) as refusal, fetched(address, store):
        pass
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)
