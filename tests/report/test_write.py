"""Pages are written from the outputs of the earlier stages."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from microconv.errors import MicroconvError, MissingInputError
from microconv.ranking.output.lists import ListFiles, Provenance, write_list
from microconv.ranking.rank import rank_prospects
from microconv.report.write import PageInputs, write_journey_page, write_pages
from worlds.ranking import END, settings, trained, world
from worlds.reports import evaluation


@pytest.fixture
def inputs(tmp_path: Path) -> PageInputs:
    """Lay out what the stages before `report` leave behind, made by the real ones."""
    found = PageInputs(
        tmp_path / "prospects.parquet",
        tmp_path / "manifest.json",
        tmp_path / "evaluation.json",
        tmp_path / "plots",
        tmp_path / "model",
    )
    trained().save(found.model)
    ranking = rank_prospects(world(), model=trained(), as_of=END, settings=settings().score)
    write_list(
        ranking,
        Provenance(found.model, found.model),
        ListFiles(
            found.prospects,
            *(tmp_path / f"list.{kind}" for kind in ("csv", "xlsx", "jsonl")),
            found.manifest,
        ),
        valid_for=timedelta(days=7),
    )
    evaluation().write(found.evaluation, found.plots)
    return found


def test_both_pages_are_written_from_what_the_stages_left(
    inputs: PageInputs, tmp_path: Path
) -> None:
    """From the files of a real ranking and a real evaluation, end to end."""
    page, model_page = tmp_path / "reports" / "prospects.html", tmp_path / "reports" / "model.html"
    manifest = write_pages(inputs, page=page, model_page_at=model_page)
    html = page.read_text(encoding="utf-8")
    assert manifest["list_id"] in html
    assert html.count(" data-grade=") == 10
    assert "<svg" in model_page.read_text(encoding="utf-8")


def test_a_list_of_another_run_is_refused(inputs: PageInputs, tmp_path: Path) -> None:
    """Yesterday's manifest must not vouch for today's list."""
    manifest = json.loads(inputs.manifest.read_text(encoding="utf-8"))
    manifest["files"]["prospects"] = "0" * 32
    inputs.manifest.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(MicroconvError, match="belong to different runs"):
        write_pages(inputs, page=tmp_path / "a.html", model_page_at=tmp_path / "b.html")


@pytest.mark.parametrize("missing", ["prospects", "manifest", "evaluation", "plots"])
def test_a_missing_file_is_named(inputs: PageInputs, tmp_path: Path, missing: str) -> None:
    """The reader is told which stage to run."""
    place: Path = getattr(inputs, missing)
    place.rename(place.with_name("elsewhere"))
    with pytest.raises(MissingInputError, match=place.name):
        write_pages(inputs, page=tmp_path / "a.html", model_page_at=tmp_path / "b.html")


def test_the_journey_page_is_written_from_the_measurement(tmp_path: Path) -> None:
    """And without a measurement the reader is told which stage to run."""
    journey, page = tmp_path / "journey.json", tmp_path / "pages" / "journey.html"
    with pytest.raises(MissingInputError, match="`measure`"):
        write_journey_page(journey, page=page)
    section = {"summary": ["No bottleneck stands out."], "missing": [], "tables": {}}
    journey.write_text(json.dumps({"bottlenecks": section}), encoding="utf-8")
    write_journey_page(journey, page=page)
    assert "No bottleneck stands out." in page.read_text(encoding="utf-8")
