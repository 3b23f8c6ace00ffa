"""The whole: the same bytes again, folders replaced whole, truth kept apart."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from microconv.demo import json_lines, simulate
from microconv.demo.people import SECOND
from microconv.demo.world import simulate_world
from microconv.errors import SettingsError
from microconv.storage.files import md5_of
from worlds.demo import world


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Write a very small world; say where it lies."""
    folder = tmp_path_factory.mktemp("once")
    simulate(world(prospects=300, days=90), out=folder / "raw", truth=folder / "truth")
    return folder


def test_the_same_settings_give_the_same_bytes(once, tmp_path, monkeypatch):
    """Whatever number of lines is formatted at once."""
    monkeypatch.setattr(json_lines, "BLOCK", 777)
    simulate(world(prospects=300, days=90), out=tmp_path / "raw", truth=tmp_path / "truth")
    for folder in ("raw", "truth"):
        assert md5_of(once / folder) == md5_of(tmp_path / folder)


def test_the_world_shows_in_the_exports_only_after_somebody_converts(once, tmp_path):
    """A line that `confounded` has and `planted` lacks is of a customer of either, afterwards."""
    settings = [world(name, prospects=300, days=90) for name in ("planted", "confounded")]
    simulate(settings[1], out=tmp_path / "raw", truth=tmp_path / "truth")
    first = np.minimum(*(simulate_world(each).converted for each in settings)) // SECOND
    start = round(settings[0].start.timestamp())
    one, other = (
        set((folder / "raw" / "email_events.jsonl").read_bytes().splitlines())
        for folder in (once, tmp_path)
    )
    rows = [json.loads(line) for line in one ^ other if is_whole(line)]
    assert len(rows) > 20
    for row in rows:
        contact = int(row["email"].split("@")[0].rsplit(".", 1)[1])
        assert row["timestamp"] - start >= first[contact - 1]
    assert md5_of(once / "raw" / "prospects.csv") == md5_of(tmp_path / "raw" / "prospects.csv")


def is_whole(line):
    """Say whether a line is undamaged enough to be read for whom and when."""
    try:
        row = json.loads(line)
        return "@" in row["email"] and 1e9 < row["timestamp"] < 2e9
    except (ValueError, TypeError):
        return False


def test_both_folders_are_replaced_whole(once, tmp_path):
    """Nothing of an older world stays behind."""
    for name in ("raw", "truth"):
        shutil.copytree(once / name, tmp_path / name)
    simulate(world(prospects=50, days=60), out=tmp_path / "raw", truth=tmp_path / "truth")
    for name in ("raw", "truth"):
        assert md5_of(tmp_path / name) != md5_of(once / name)
    assert sorted(file.name for file in (tmp_path / "raw").iterdir()) == [
        "deals.csv", "email_events.jsonl", "messages.csv", "prospects.csv", "web_events.jsonl",
    ]  # fmt: skip
    truth = sorted(file.name for file in (tmp_path / "truth").iterdir())
    assert truth == ["bots.parquet", "hazard.parquet", "truth.json"]


@pytest.mark.parametrize("folder", ["raw", "truth"])
@pytest.mark.parametrize("names", [["crm.csv"], ["deals.csv", "prospects.csv"]], ids=" ".join)
def test_a_folder_with_somebodys_own_files_is_not_replaced(tmp_path, folder, names):
    """`--raw data/raw` must not cost anybody their exports, whatever those are called."""
    (tmp_path / folder).mkdir()
    for name in names:
        (tmp_path / folder / name).write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"other files than a simulated.*`{names[0]}`"):
        simulate(world(prospects=50, days=60), out=tmp_path / "raw", truth=tmp_path / "truth")
    assert [(tmp_path / folder / name).read_text("utf-8") for name in names] == ["mine"] * len(
        names
    )
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("inside", ["raw", "raw/truth"])
def test_the_truth_must_not_lie_among_the_exports(tmp_path, inside):
    """A reader of the folder would find it."""
    with pytest.raises(SettingsError, match="folders of their own"):
        simulate(world(prospects=50, days=60), out=tmp_path / "raw", truth=tmp_path / inside)


@pytest.mark.parametrize(("prospects", "days"), [(1, 60), (2, 400)])
def test_tiny_and_long_worlds_are_written_too(tmp_path, prospects, days):
    """One prospect; more than a year."""
    facts = simulate(
        world(prospects=prospects, days=days), out=tmp_path / "raw", truth=tmp_path / "truth"
    )
    assert facts["files"]["prospects.csv"]["rows"] == prospects
