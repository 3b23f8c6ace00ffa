"""Stage `report`: the pages for sales, data science and marketing."""

from __future__ import annotations

from pathlib import Path

from microconv.report.write import PageInputs, write_journey_page, write_pages
from microconv.settings import Settings
from microconv.stages.runner import run


def report(
    settings: Settings,
    *,
    prospects: Path,
    manifest: Path,
    evaluation: Path,
    plots: Path,
    model: Path,
    journey: Path,
    page: Path,
    model_page: Path,
    journey_page: Path,
) -> str:
    """Write the prospect list, the model card and the journey page as HTML.

    Parameters
    ----------
    settings : Settings
    prospects, manifest, evaluation, plots, model, journey : Path
        What it reads.
    page, model_page, journey_page : Path
        What it writes.
    """
    inputs = PageInputs(prospects, manifest, evaluation, plots, model)
    said = write_pages(inputs, page=page, model_page_at=model_page)
    write_journey_page(journey, page=journey_page)
    pages = f"the model in {model_page}, the journey in {journey_page}"
    return f"list {said['list_id']} in {page}, {pages}"


if __name__ == "__main__":
    run(report)
