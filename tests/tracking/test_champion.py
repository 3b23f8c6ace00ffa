"""Promotion against a real store: who becomes champion, who not, and the way back."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace

import pyarrow as pa
import pytest

from microconv.errors import PromotionError, TrackingError
from microconv.model.prospect_model import OUT_OF_TIME
from microconv.ranking.newly_labelled import newly_labelled_rows
from microconv.stages.promote import PromotionRequest, promote, rollback
from microconv.tracking.champion import BECAUSE, BLOCKERS, CHAMPIONS, registry_status
from microconv.tracking.run_log import log_run
from microconv.tracking.store import Store
from worlds.model_versions import (
    SNAPSHOTS,
    files_of,
    in_groups,
    overconfident,
    register,
    write_params,
)
from worlds.ranking import on_disk, settings, trained, younger

TRUTH = SNAPSHOTS["chance"].to_numpy()
FAILED_CHECK = {"check": "pure_values", "status": "failed", "columns": ["Tags"]}


def store_at(folder) -> Store:
    """Find the store of a folder, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return Store.find(folder)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Register models that differ in their predictions, once for all tests."""
    folder = tmp_path_factory.mktemp("versions")
    store = store_at(folder / "store")
    step = trained().journey_settings.steps["guide"].model_copy(update={"commitment": 5})
    journey = trained().journey_settings
    other = replace(
        trained(),
        journey_settings=journey.model_copy(update={"steps": {**journey.steps, "guide": step}}),
    )
    versions = {
        "coarse": {"probability": in_groups(4)},
        "truth": {"probability": TRUTH},
        "worse": {"probability": in_groups(3)},
        "extreme": {"probability": overconfident()},
        "leaking": {"probability": TRUTH * 0.999, "failed_checks": [FAILED_CHECK]},
        "elsewhere": {"probability": TRUTH, "model": other},
    }
    numbers = {
        name: register(store, files_of(folder / name, **given)) for name, given in versions.items()
    }
    return folder, numbers


class Registry:
    """A store of our own in which any version can be made the challenger."""

    def __init__(self, folder, numbers):
        self.root, self.numbers = folder, numbers
        self.store, self.params = store_at(folder), write_params(folder / "params.yaml")

    def challenge(self, name, **ask):
        """Make a version the challenger and try to promote it."""
        with self.store.open() as client:
            client.set_registered_model_alias("test", "challenger", self.numbers[name])
        return promote(self.params, PromotionRequest(root=self.root, **ask))

    def back(self):
        """Roll back."""
        return rollback(self.params, PromotionRequest(root=self.root))

    @property
    def champion(self):
        """Name the champion as these tests call it."""
        number = registry_status("test", self.store).champion
        return next((name for name, n in self.numbers.items() if n == number), None)

    def tags(self, name):
        """Read the tags of a version."""
        with self.store.open() as client:
            return client.get_model_version("test", self.numbers[name]).tags


@pytest.fixture
def registry(versions, tmp_path, monkeypatch):
    """Start from a copy of the store: nobody is champion."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder, numbers = versions
    shutil.copy(folder / "store" / "mlflow.db", tmp_path / "mlflow.db")
    return Registry(tmp_path, numbers)


def test_the_first_champion_is_compared_with_the_best_baseline(registry):
    """There is nobody else to compare with; and promoting twice changes nothing."""
    message = registry.challenge("coarse")
    assert "(the first)" in message
    assert "best baseline, recency" in message
    assert registry.champion == "coarse"
    assert "is already the champion" in registry.challenge("coarse")


def test_a_better_challenger_is_promoted_with_its_figures(registry):
    """Whoever promotes must see by how much, and on what."""
    registry.challenge("coarse")
    message = registry.challenge("truth")
    assert registry.champion == "truth"
    assert "1,600 common rows of 400 prospects" in message
    assert "precision of the list" in message
    assert registry.tags("truth")[BECAUSE] == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("worse", "AUC is worse"),
        ("extreme", "calibration slope is 0.5"),
        ("leaking", "the leakage check `pure_values` failed for `Tags`"),
        ("elsewhere", "these steps differ: `guide`"),
    ],
)
def test_a_blocked_challenger_is_promoted_only_with_a_reason(registry, name, reason):
    """The alias stays where it is; with a reason it moves, and the reason is kept."""
    registry.challenge("truth")
    with pytest.raises(PromotionError) as refusal:
        registry.challenge(name)
    assert reason in str(refusal.value)
    assert registry.champion == "truth"
    assert "; despite " in registry.challenge(name, because="the board <wants> it")
    assert registry.champion == name
    assert registry.tags(name)[BECAUSE] == "the board <wants> it"
    assert json.loads(registry.tags(name)[BLOCKERS])


def test_an_empty_reason_is_no_reason(registry):
    """`--because ""` would be a way round the record."""
    with pytest.raises(PromotionError, match="Give the reason"):
        registry.challenge("leaking", because="  ")


def test_rolling_back_goes_back_one_by_one_and_ends(registry):
    """One command undoes a promotion; a second undoes the one before, if there was one."""
    for name in ("worse", "coarse", "truth"):
        registry.challenge(name)
    assert "version 1 is the champion again" in registry.back()
    registry.back()
    assert registry.champion == "worse"
    with pytest.raises(PromotionError, match="no previous one"):
        registry.back()
    registry.challenge("truth")  # after going back, forward again, and back
    registry.back()
    assert registry.champion == "worse"


def test_there_is_nothing_to_roll_back_before_the_first_promotion(registry):
    """In one sentence."""
    with pytest.raises(PromotionError, match="ever promoted"):
        registry.back()


def test_an_interrupted_promotion_leaves_the_old_champion_or_the_new(registry, monkeypatch):
    """Whichever call is the last: the way back stays right, and a second try succeeds."""
    from mlflow import MlflowClient

    registry.challenge("worse")
    registry.challenge("coarse")
    calls = ["set_registered_model_tag", "set_model_version_tag", "set_registered_model_alias"]
    for call in calls:

        def failing(*_, **__):
            raise KeyboardInterrupt

        with registry.store.open() as client:
            client.set_registered_model_alias("test", "challenger", registry.numbers["truth"])
        with monkeypatch.context() as broken:
            broken.setattr(MlflowClient, call, failing)
            with pytest.raises(KeyboardInterrupt):
                promote(registry.params, PromotionRequest(root=registry.root))
        assert registry.champion == "coarse"
        assert registry_status("test", registry.store).former == (registry.numbers["worse"],)
    registry.challenge("truth")
    registry.back()
    assert registry.champion == "coarse"


def test_a_champion_set_by_hand_can_be_rolled_back(registry):
    """MLflow's own page can move the alias; our list must not be confused by it."""
    registry.challenge("coarse")
    with registry.store.open() as client:
        client.set_registered_model_alias("test", "champion", registry.numbers["extreme"])
        assert json.loads(client.get_registered_model("test").tags[CHAMPIONS]) == ["1"]
    registry.back()
    assert registry.champion == "coarse"


def test_an_unknown_model_name_is_an_error(registry):
    """A typo in `track.registered_model` must not read like an outage."""
    with pytest.raises(TrackingError, match="No model is registered under the name `nobody`"):
        registry_status("nobody", registry.store)


def test_with_the_log_both_are_compared_on_newly_labelled_rows(tmp_path, monkeypatch):
    """A champion of spring carries no row of summer; the log and its artefact make them."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    log = on_disk(tmp_path / "log")
    rows = newly_labelled_rows(log, younger())
    plain = rows.assign(fold="summer", as_of=rows["as_of"].dt.tz_convert(None))
    carried = pa.table(
        {name: pa.array(plain[name], from_pandas=True) for name in OUT_OF_TIME.names}
    )
    carried = carried.cast(OUT_OF_TIME)
    store, params = store_at(tmp_path), write_params(tmp_path / "params.yaml")
    for name, model in (
        ("champion", younger()),
        ("challenger", replace(trained(), out_of_time=carried)),
    ):
        files = files_of(tmp_path / name, TRUTH)
        model.save(files["model"])
        number = register(store, files)
        with store.open() as client:
            client.set_registered_model_alias("test", name, number)
    with pytest.raises(PromotionError, match="give the event log with --log"):
        promote(params, PromotionRequest(root=tmp_path))
    message = promote(params, PromotionRequest(root=tmp_path, log=log.path, because="a test"))
    assert f"on {len(rows)} common rows" in message
    assert "AUC: " in message
    assert "+0.0000, +0.0000 to +0.0000" in message  # the same trees on the same rows


@pytest.mark.slow
def test_a_team_server_is_promoted_on_as_a_file_is(tmp_path, monkeypatch):
    """Aliases, tags and artifacts travel over HTTP; the whole run is logged there."""
    import socket
    import subprocess
    import sys
    import time
    import urllib.request

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--workers", "1"),
        *("--artifacts-destination", str(tmp_path / "artifacts")),
    ]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                    break
            except OSError:
                time.sleep(1)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        store, params = Store.find(), write_params(tmp_path / "params.yaml")
        log_run(settings(), files_of(tmp_path / "coarse", in_groups(4)), store=store)
        assert "version 1 is the champion now" in promote(params, PromotionRequest())
        log_run(settings(), files_of(tmp_path / "truth", TRUTH), store=store)
        assert "version 2 is the champion now" in promote(params, PromotionRequest())
        assert "version 1 is the champion again" in rollback(params, PromotionRequest())
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
