"""A list from too few conversions: an order to try, no grade, and it says so everywhere."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache

import numpy as np

from microconv.model.prospect_model import ProspectModel
from microconv.ranking.output.lists import ListFiles, Provenance, write_list
from microconv.ranking.rank import rank_prospects
from microconv.ranking.ranked_list import Ranking
from microconv.settings import ReadinessSettings
from worlds.ranking import END, on_disk, settings, train_with, world


@cache
def hesitant(conversions: int) -> ProspectModel:
    """Train on the world's 59 conversions where so many would be ready."""
    ready = ReadinessSettings(conversions=conversions, prospects=200)
    model = settings().model.model_copy(update={"ready": ready})
    return train_with(settings().model_copy(update={"model": model}))


def ranking_of(conversions: int) -> Ranking:
    """Make the list of the world's last day."""
    model = hesitant(conversions)
    return rank_prospects(world(), model=model, as_of=END, settings=settings().score)


def test_without_enough_nobody_gets_a_grade():
    """An A is a promise; 59 conversions of 200 are no ground for one. The list is whole else."""
    ranking = ranking_of(200)
    assert ranking.frame["grade"].isna().all()
    assert len(ranking.frame) == 10
    numbers = ranking.frame[["probability", "percentile", "expected_value", "amount"]]
    assert np.isfinite(numbers.to_numpy()).all()
    assert ranking.frame["reason_1"].notna().all()
    (note,) = [note for note in ranking.notes if "not enough to learn from" in note]
    assert "59 conversions (ready from 200)" in note


def test_a_thin_list_has_grades_and_says_that_it_is_thin():
    """Between two fifths of the minimum and the minimum: read with care."""
    ranking = ranking_of(100)
    assert ranking.frame["grade"].notna().all()
    assert any("There is little to learn from: 59 conversions" in note for note in ranking.notes)


def test_the_manifest_carries_the_verdict(tmp_path):
    """A program that reads the list must be able to tell."""
    hesitant(200).save(tmp_path / "model")
    files = ListFiles.in_folder(tmp_path)
    provenance = Provenance(on_disk(tmp_path / "log").path, tmp_path / "model")
    write_list(ranking_of(200), provenance, files, valid_for=timedelta(days=7))
    manifest = json.loads(files.manifest.read_text())
    assert manifest["readiness"]["state"] == "not enough"
    assert manifest["grades"] is None
    assert manifest["notes"][-1] == manifest["readiness"]["summary"]


def test_a_saved_model_remembers_the_verdict_and_scores_the_same_bits(tmp_path):
    """The fallback is an ordinary artefact."""
    model = hesitant(200)
    model.save(tmp_path / "model")
    loaded = ProspectModel.load(tmp_path / "model")
    assert loaded.facts.readiness == model.facts.readiness
    again = rank_prospects(world(), model=loaded, as_of=END, settings=settings().score)
    assert again.frame.equals(ranking_of(200).frame)
